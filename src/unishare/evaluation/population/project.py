"""One generated function: its pipeline as an app's folder."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from unishare.evaluation.population import c_helpers
from unishare.evaluation.population.c_text import fill
from unishare.evaluation.population.step import Intake, Refusal, Step

# Every function stands on these; steps name what they need besides.
BASE_LIBRARIES = ("unishare-invoke", "musl-stdio")
_C_HEADERS = ("stdint.h", "stdio.h", "stdlib.h", "string.h")
GOOD_REQUESTS = 2


@dataclass(frozen=True)
class ExpectedAnswer:
    """What a request must bring."""

    request: bytes
    answer: bytes
    status: int


class GeneratedFunction:
    """A pipeline with a name."""

    def __init__(self, name: str, intake: Intake, steps: Sequence[Step]) -> None:
        self.name = name
        self.intake = intake
        self.steps = [intake, *steps]
        self._names = {id(step): f"{_snake(type(step).__name__)}_{number}" for number, step in enumerate(self.steps, 1)}

    @property
    def libraries(self) -> list[str]:
        """The catalogue libraries that its code calls."""
        return list(dict.fromkeys([*BASE_LIBRARIES, *(library for step in self.steps for library in step.libraries)]))

    def ask(self, request: bytes) -> ExpectedAnswer:
        """What the function answers."""
        data = request
        try:
            for step in self.steps:
                data = step.evaluate(data)
        except Refusal as refusal:
            return ExpectedAnswer(request, refusal.message.encode("latin-1"), refusal.status)
        return ExpectedAnswer(request, data, 0)

    def answers(self, random: Random) -> list[ExpectedAnswer]:
        """Requests of each kind with their answers."""
        good = [self.ask(self.intake.good_request(random)) for _ in range(GOOD_REQUESTS)]
        return [*good, self.ask(self.intake.bad_request(random))]

    def files(self, random: Random) -> dict[str, bytes]:
        """The app's folder."""
        data = self._data_files()
        return {"app.toml": self._recipe(self.answers(random), sorted(data)).encode(), "main.c": self.source().encode(), **data}

    def source(self) -> str:
        """The handler in C."""
        headers = dict.fromkeys(
            [*_C_HEADERS, *(header for step in self.steps for header in step.headers), "unishare/function.h"]
        )
        steps = "\n".join(step.c_source(self._names[id(step)]) for step in self.steps)
        macros = dict.fromkeys(macro for step in self.steps for macro in step.macros)
        shared_functions = c_helpers.sources(steps + "append")
        text = fill(
            """
            /* @name@: @summary@. Generated; see docs/population.md. */
            @macros@
            @headers@

            @helpers@

            @steps@

            typedef int step(const struct bytes *in, struct bytes *out);

            static int handle(const unishare_request *request, unishare_answer *answer)
            {
                static step *const steps[] = {@names@};
                struct bytes in = {0}, out = {0};
                int status = 0;

                append(&in, request->data, request->size);
                for (size_t i = 0; i < sizeof steps / sizeof *steps && !status; i++) {
                    struct bytes done = in;

                    out.size = 0;
                    append(&out, "", 0);
                    status = steps[i](&in, &out);
                    in = out;
                    out = done;
                }
                unishare_answer_write(answer, in.data, in.size);
                free(in.data);
                free(out.data);
                return status;
            }

            int main(void)
            {
                return unishare_serve(handle);
            }
            """,
            name=self.name,
            summary=self._summary,
            macros="\n".join(f"#define {macro}" for macro in macros),
            headers="\n".join(f"#include <{header}>" for header in headers),
            helpers=shared_functions,
            steps=steps,
            names=", ".join(self._names[id(step)] for step in self.steps),
        )
        return re.sub(r"\n\n\n+", "\n\n", text)

    @property
    def _summary(self) -> str:
        return "; ".join(step.does for step in self.steps)

    def _data_files(self) -> Mapping[str, bytes]:
        return {file: content for step in self.steps for file, content in step.files(self._names[id(step)]).items()}

    def _recipe(self, answers: Sequence[ExpectedAnswer], files: Sequence[str]) -> str:
        lines = [
            f"name = {_toml(self.name)}",
            f"summary = {_toml(self._summary)}",
            'license = "Apache-2.0"',
            'state = "none"',
            f"libraries = [{', '.join(map(_toml, self.libraries))}]",
        ]
        if files:
            lines += ["", "[files]", *(f"{_toml(f'/app/{file}')} = {_toml(file)}" for file in files)]
        for expected in answers:
            lines += ["", "[[example]]", _bytes("request", expected.request), _bytes("answer", expected.answer)]
            lines += [f"status = {expected.status}"] if expected.status else []
        return "\n".join(lines) + "\n"


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _toml(text: str) -> str:
    """A basic string: JSON's escapes are TOML's."""
    return json.dumps(text)


def _bytes(field: str, data: bytes) -> str:
    if all(32 <= byte < 127 or byte in b"\n\t" for byte in data):
        return f"{field} = {_toml(data.decode())}"
    return f'{field}_hex = "{data.hex()}"'
