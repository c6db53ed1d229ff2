"""The guest as a C programmer knows it: one program that checks itself (guests/apps/conformance), under both tenders."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from integration.conftest import build
from unishare.monitor_program import monitor_program
from unishare.settings import Settings
from unishare.toolchain.recipes.catalog import Catalog

GUESTS = Path(__file__).parent / "guests"


@pytest.fixture(scope="module")
def built(home: Settings) -> Settings:
    build(home, Catalog([GUESTS]), ("conformance",), ("aligned", "aslr"))
    return home


def run(home: Settings, tender: str, *arguments: str, layout: str = "aligned") -> subprocess.CompletedProcess[str]:
    manifest = home.image_folder(layout, "conformance") / "manifest.json"
    command = [monitor_program(), "run", manifest, "--pool", home.pool, "--tender", tender, "--time-limit-ms", "20000", "--"]
    return subprocess.run(
        [*command, "conformance", *arguments], capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize("layout", ["aligned", "aslr"])
def test_it_is_what_a_c_program_expects(built: Settings, tender: str, layout: str) -> None:
    done = run(built, tender, "two words", "", layout=layout)
    assert "FAILURE" not in done.stdout, done.stdout
    assert (done.returncode, done.stdout) == (42, "0 failures\n"), done.stdout + done.stderr


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        ("abort", 134, "ended by a signal"),
        ("assert", 134, "Assertion failed: !\"that holds\" (main.c: end: "),
        ("atexit", 23, "registered second\nregistered first\n"),
        ("_exit", 24, ""),
        ("buffered", 25, "no newline, still written"),
    ],
)  # fmt: skip
def test_it_ends_as_a_c_program_does(built: Settings, tender: str, how: str, code: int, said: str) -> None:
    done = run(built, tender, how)
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stdout if said else done.stdout == ""
