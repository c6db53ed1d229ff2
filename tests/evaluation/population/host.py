"""Generated functions compiled for the host: the guest's function.h replaced by one that answers requests from files."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from random import Random

from unishare.evaluation.population.project import GeneratedFunction

# Each argument is a file with a request; the answer goes beside it.
SHIM = """
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
typedef struct { const uint8_t *data; size_t size; } unishare_request;
typedef FILE unishare_answer;
static void unishare_answer_write(unishare_answer *answer, const void *data, size_t size) { fwrite(data, 1, size, answer); }
static int shim_count; static char **shim_files;
static int unishare_serve(int (*handle)(const unishare_request *, unishare_answer *))
{
    for (int i = 1; i < shim_count; i++) {
        static uint8_t request[1 << 16];
        char name[4096];
        FILE *file = fopen(shim_files[i], "rb");
        size_t size = fread(request, 1, sizeof request - 1, file);
        request[size] = 0;
        fclose(file);
        snprintf(name, sizeof name, "%s.answer", shim_files[i]);
        file = fopen(name, "wb");
        int status = handle(&(unishare_request){request, size}, file) & 255;
        fclose(file);
        printf("%d\\n", status);
    }
    return 0;
}
__attribute__((constructor)) static void shim_start(int count, char **files) { shim_count = count; shim_files = files; }
"""


class HostCompiler:
    """A folder for programs."""

    def __init__(self, folder: Path, extra: Sequence[str] = ()) -> None:
        self._folder = folder
        self._extra = list(extra)
        (folder / "unishare").mkdir(exist_ok=True)
        (folder / "unishare" / "function.h").write_text(SHIM)

    def wrong_answers(self, function: GeneratedFunction, requests: Random) -> list[str]:
        """Build a function and compare what it answers with what the oracle says; a line for each difference."""
        folder = self._folder / function.name
        folder.mkdir(exist_ok=True)
        expected = function.answers(requests)
        for file, content in function.files(Random(1)).items():
            (folder / file).write_bytes(content)
        source = (folder / "main.c").read_text().replace('"/app/', f'"{folder}/')
        (folder / "main.c").write_text(source)
        command = ["gcc", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-misleading-indentation",
                   "-fsanitize=undefined,address", "-fno-sanitize-recover", "-fno-sanitize=leak",
                   f"-I{self._folder}", "main.c", "-o", "program", *self._extra]  # fmt: skip
        made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if made.returncode:
            return [f"{function.name}: {_first_error(made.stderr)}"]
        for number, one in enumerate(expected):
            (folder / f"request-{number}").write_bytes(one.request)
        # Each request twice, the second time after others: what the recipe says with `state = "none"`, and the answer that is compared.
        names = [f"request-{number}" for number in range(len(expected))]
        names += reversed(names)
        run = subprocess.run(
            ["./program", *names], cwd=folder, capture_output=True, text=True, check=False, timeout=60,
            env={"ASAN_OPTIONS": "detect_leaks=0"},
        )  # fmt: skip
        if run.returncode:
            return [f"{function.name}: {run.stderr[:2000]}"]
        statuses = [int(line) for line in reversed(run.stdout.split())][: len(expected)]
        wrong = []
        for number, (one, status) in enumerate(zip(expected, statuses, strict=True)):
            answer = (folder / f"request-{number}.answer").read_bytes()
            if (answer, status) != (one.answer, one.status):
                steps = [type(step).__name__ for step in function.steps]
                wrong.append(
                    f"{folder} {number} {steps}: {status} {answer[:200]!r} instead of {one.status} {one.answer[:200]!r}"
                )
        return wrong


def _first_error(text: str) -> str:
    return next((line for line in text.splitlines() if re.search(r"error|undefined", line)), text[:500])
