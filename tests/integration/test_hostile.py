"""Guests that go wrong, on the real monitor: each ends with its documented exit code and a report, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path

import pytest

from integration.conftest import build
from unishare.fleet import launcher
from unishare.fleet.crash import explain
from unishare.fleet.messages import Crash, StartRequest
from unishare.monitor_program import monitor_program
from unishare.settings import Settings
from unishare.toolchain.recipes.catalog import Catalog

FRAME = """
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
int main(int argc, char **argv)
{{
    (void)argc; (void)argv;
    {body}
}}
"""
# name -> (code in main, functions before it, exit code, what the report must say)
GUESTS: dict[str, tuple[str, str, int, tuple[str, ...]]] = {
    "loops": ("for (;;) { }", "", 124, ("time limit",)),
    "recurses": (
        "return deeper(argc);",
        "static int deeper(volatile int n) { volatile char room[2000]; room[0] = (char)n; return deeper(n + 1) + room[0]; }",
        139,
        ("stack", "overrun", "deeper"),
    ),
    "writes-code": ("*(volatile char *)(void *)memcpy = 1; return 0;", "", 139, ("not writable", "musl-string", "main")),
    "writes-constants": ('*(volatile char *)"constant" = 1; return 0;', "", 139, ("not writable",)),
    "jumps-to-data": ("return ((int (*)(void))(void *)code)();", "static unsigned char code[16] = {0xc3};", 139, ("not code",)),
    "null": ("return *(volatile int *)8;", "", 139, ("null pointer",)),
    "divides": ("volatile int zero = 0; return 5 / zero;", "", 136, ("division", "main")),
    "misuses-a-library": ("return strchr((char *)0x10000000 + (argc - 1), 'x') == 0;", "", 139, ("which no memory is at", "musl-string")),
    "traps": ("__builtin_trap();", "", 132, ("main",)),
    "aborts": ("abort();", "", 134, ()),
    "exits": ("return 7;", "", 7, ()),
    # Where the stack lies close above the heap, musl takes its memory in growing pieces, and the last that does not fit is lost.
    "eats": (
        "size_t got = 0; char *p; while ((p = malloc(1 << 16))) { memset(p, 1, 1 << 16); got += 1 << 16; }"
        ' printf("%d MiB %s\\n", (int)(got >> 20), strerror(errno)); return got > (14 << 20) && got < (17 << 20) && errno == ENOMEM ? 3 : 4;',
        "", 3, (),
    ),
    "privileged": ('__asm__ volatile("hlt"); return 0;', "", 139, ("main",)),
    "reads-the-clock": (
        "struct timespec a, b; clock_gettime(CLOCK_REALTIME, &a); usleep(20000); clock_gettime(CLOCK_REALTIME, &b);"
        " long ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;"
        " return a.tv_sec > 1700000000 && ms >= 19 && ms < 20000 ? 5 : 6;",
        "", 5, (),
    ),
    "opens-files": (
        'FILE *f = fopen("/tmp/new", "w+"); fputs("hello", f); rewind(f); char line[9]; fgets(line, 9, f); fclose(f);'
        ' errno = 0; FILE *none = fopen("/nowhere/x", "r"); int missing = !none && errno == ENOENT;'
        ' return !strcmp(line, "hello") && missing && !rename("/tmp/new", "/tmp/old") && access("/tmp/new", F_OK) && !unlink("/tmp/old") ? 8 : 9;',
        "", 8, (),
    ),
    "arguments": ('return argc == 3 && !strcmp(argv[2], "two words") && !strcmp(getenv("MODE"), "test") ? 11 : 12;', "", 11, ()),
}  # fmt: skip


# Fixed addresses and random ones: reports must be as good under both.
LAYOUTS = ("aligned", "aslr")


@pytest.fixture(scope="module")
def guests(home: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """All of them, built."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, (body, before, _, _) in GUESTS.items():
        app = folder / "apps" / f"hostile-{name}"
        app.mkdir(parents=True)
        head, main = FRAME.format(body=body).split("int main", 1)
        (app / "main.c").write_text(f"{head}{before}\nint main{main}")
        (app / "app.toml").write_text(
            f'name = "hostile-{name}"\nlibraries = ["musl-core"]\n[build]\nflags = ["-fno-optimize-sibling-calls", "-w"]\n'
        )
    build(home, Catalog([folder]), tuple(f"hostile-{name}" for name in GUESTS), LAYOUTS)
    return home


def run(
    home: Settings,
    name: str,
    tender: str,
    *more: str,
    arguments: tuple[str, ...] = (),
    layout: str = "aligned",
    limit: int = 8000,
) -> subprocess.CompletedProcess[str]:
    manifest = home.image_folder(layout, f"hostile-{name}") / "manifest.json"
    command = [
        str(monitor_program()), "run", str(manifest), "--pool", str(home.pool), "--tender", tender, "--time-limit-ms", str(limit), *more,
        "--", *arguments,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", sorted(GUESTS))
def test_it_ends_as_documented(guests: Settings, tender: str, name: str, layout: str) -> None:
    _, _, code, said = GUESTS[name]
    if name == "arguments":
        done = run(guests, name, tender, "--env", "MODE=test", arguments=("name", "one", "two words"), layout=layout)
    else:
        done = run(guests, name, tender, layout=layout, limit=300 if name == "loops" else 8000)
    assert done.returncode == code, done.stdout + done.stderr
    for words in said:
        assert words in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) < 40


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_report_names_symbol_library_line_caller_and_registers(guests: Settings, tender: str, layout: str) -> None:
    said = run(guests, "misuses-a-library", tender, layout=layout).stderr
    assert re.search(r"^  at 0x[0-9a-f]+: \w+ in musl-string \(\S+\.c:\d+\)$", said, re.MULTILINE), said
    called = r"^  (?:perhaps )?called from 0x[0-9a-f]+: main in hostile-misuses-a-library \(\S+main\.c:\d+\)$"
    assert re.search(called, said, re.MULTILINE), said
    assert re.search(r"^  rax=[0-9a-f]{16} ", said, re.MULTILINE) and re.search(r"^  rip=[0-9a-f]{16} ", said, re.MULTILINE)
    own = run(guests, "divides", tender, layout=layout).stderr
    assert re.search(r"^  at 0x[0-9a-f]+: main in hostile-divides \(\S+main\.c:\d+\)$", own, re.MULTILINE), own


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_launcher_keeps_the_same_report(guests: Settings, tender: str, layout: str) -> None:
    manifest = guests.image_folder(layout, "hostile-misuses-a-library") / "manifest.json"

    async def act() -> Crash:
        async with launcher.private(guests) as (control, _):
            request = StartRequest(manifest=str(manifest), tender="kvm" if tender == "kvm" else "process")
            started = (await control.start(request))[0]
            assert started.state == "crashed"
            # Where it lay is still known: reports and gdb need it most when it is over.
            assert (await control.bases(started.instance)).random == (layout == "aslr")
            return explain((await control.crash(started.instance)).record)

    found = asyncio.run(act())
    assert found.record["library"] == "musl-string" and "in musl-string (" in found.record["place"]
    assert any("main in hostile-misuses-a-library" in caller["place"] for caller in found.record["callers"])
    assert found.record["registers"]["rsp"].startswith("0x")
    assert f"at {found.record['rip']}: {found.record['place']}" in found.report


def test_an_unsupported_call_is_reported_once_by_name(home: Settings, tender: str, tmp_path: Path) -> None:
    app = tmp_path / "apps" / "hostile-forks"
    app.mkdir(parents=True)
    (app / "main.c").write_text(
        "#include <errno.h>\n#include <unistd.h>\nint main(void) { int a = fork(), b = fork(); return a == -1 && b == -1 && errno == ENOSYS ? 21 : 22; }\n"
    )
    (app / "app.toml").write_text('name = "hostile-forks"\nlibraries = ["musl-core"]\n')
    build(home, Catalog([tmp_path]), ("hostile-forks",), ("aligned",))
    done = run(home, "forks", tender)
    assert done.returncode == 21, done.stdout + done.stderr
    assert done.stdout.count("is not supported (ENOSYS)") == 1
    assert "fork" in done.stdout


def test_more_memory_on_request(guests: Settings, tender: str) -> None:
    done = run(guests, "eats", tender, "--memory", str(32 << 20))
    assert done.returncode == 4
    assert int(done.stdout.split()[0]) >= 30
