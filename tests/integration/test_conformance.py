"""The guest as a C programmer knows it: one program that checks itself (guests/apps/conformance), under both tenders."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from integration.conftest import build
from unishare.monitor_program import monitor_program
from unishare.settings import Settings
from unishare.toolchain.recipes.catalog import Catalog

GUESTS = Path(__file__).parent / "guests"


@pytest.fixture(scope="module")
def built(bare_home: Settings) -> Settings:
    build(bare_home, Catalog([GUESTS]), ("conformance",), ("aligned", "aslr"))
    return bare_home


def run(
    home: Settings, tender: str, *arguments: str, layout: str = "aligned", memory: str | None = None
) -> subprocess.CompletedProcess[str]:
    manifest = home.image_folder(layout, "conformance") / "manifest.json"
    command = [monitor_program(), "run", manifest, "--pool", home.pool, "--tender", tender, "--time-limit-ms", "20000"]
    command += [] if memory is None else ["--memory", memory]
    return subprocess.run(
        [*command, "--", "conformance", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("layout", ["aligned", "aslr"])
def test_it_is_what_a_c_program_expects(built: Settings, tender: str, layout: str) -> None:
    done = run(built, tender, "two words", "", layout=layout)
    assert "FAILURE" not in done.stdout, done.stdout
    said = "unishare: the system call setitimer is not supported (ENOSYS)\n0 failures\n"
    assert (done.returncode, done.stdout) == (42, said), done.stdout + done.stderr


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        ("abort", 134, "ended by a signal"),
        ("assert", 134, "Assertion failed: !\"that holds\" (main.c: end: "),
        ("atexit", 23, "registered second\nregistered first\n"),
        ("_exit", 24, ""),
        ("buffered", 25, "no newline, still written"),
        ("null", 139, "a line before the fault\nand one on stderr\nanother line\n"),
        ("raise", 143, "no newline before the signal; unishare: ended by a signal"),
        ("none", 139, "0\n"),
        ("read-only", 139, "0 readable\n"),
        ("hypercall", 29, ""),
        ("zone", 27, "unishare: the time zone Mars/Olympus is not known: times are UTC\nThu Jan  1 00:00:00 1970\n"),
    ],
)  # fmt: skip
def test_it_ends_as_a_c_program_does(built: Settings, tender: str, how: str, code: int, said: str) -> None:
    done = run(built, tender, how)
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stdout if said else done.stdout == ""


@pytest.mark.parametrize(("how", "code"), [("null", 139), ("abort", 134), ("_exit", 24), ("none", 139)])
def test_an_end_has_the_same_code_detached(built: Settings, how: str, code: int) -> None:
    command = [sys.executable, "-m", "unishare", "--home", str(built.home)]
    start = [*command, "run", "aligned:conformance", "--detach", "--tender", "process", "--", "conformance", how]
    try:
        done = subprocess.run(start, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    finally:
        subprocess.run([*command, "stop", "--all"], capture_output=True, timeout=60, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert (
        "crashed; 'unishare crash conformance-1'" if code == 139 else f"ended, with code {code}; 'unishare logs"
    ) in done.stderr


@pytest.mark.parametrize("how", ["none", "read-only"])
def test_what_mprotect_forbids_faults_where_it_is_done(built: Settings, tender: str, how: str) -> None:
    done = run(built, tender, how, layout="aslr")
    assert "FAILURE" not in done.stdout and "mprotect" in done.stderr and "main.c" in done.stderr, done.stdout + done.stderr


def test_a_heap_is_address_space_not_memory(built: Settings, tender: str) -> None:
    """16 GiB under random addresses; a fixed layout says what it has."""
    done = run(built, tender, "heap", layout="aslr", memory=str(16 << 30))
    assert (done.returncode, done.stdout) == (28, "15 GiB\n"), done.stdout + done.stderr
    refused = run(built, tender, "heap", memory=str(16 << 30))
    assert refused.returncode == 2 and "under aslr it can have 68719476736" in refused.stderr, refused.stderr


def test_the_filter_refuses_what_the_hypercall_page_would_not_ask(built: Settings) -> None:
    done = run(built, "process", "jump")
    assert done.returncode == 132 and "FAILURE" not in done.stdout, done.stdout + done.stderr
