"""What shells complete, asked in click's own protocol."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def unishare(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "unishare", *arguments], capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "UNISHARE_HOME": str(home), **environment},
    )  # fmt: skip


def complete(home: Path, line: str) -> list[str]:
    """What bash would offer for the last word of a line."""
    words = line.split(" ")
    asked = {"_UNISHARE_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = unishare(home, **asked)
    assert done.returncode == 0, done.stderr
    return [offer.partition(",")[2] for offer in done.stdout.splitlines() if offer]


@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("unishare inv", ["invoke"]),
        ("unishare build gz", ["gzip"]),
        ("unishare build --layout al", ["aligned"]),
        ("unishare run no", []),
    ],
)
def test_commands_apps_and_values_are_completed(tmp_path: Path, line: str, offers: list[str]) -> None:
    assert complete(tmp_path, line) == offers


def test_built_images_are_completed(tmp_path: Path) -> None:
    folder = tmp_path / "images" / "aligned" / "greet"
    folder.mkdir(parents=True)
    (folder / "manifest.json").touch()
    assert complete(tmp_path, "unishare run gre") == ["greet"]
    assert complete(tmp_path, "unishare run aligned") == ["aligned:greet"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(tmp_path: Path, shell: str) -> None:
    done = unishare(tmp_path, "completion", shell)
    assert done.returncode == 0
    assert "_UNISHARE_COMPLETE" in done.stdout


def test_versions_in_short_and_long(tmp_path: Path) -> None:
    short = unishare(tmp_path, "--version")
    assert short.returncode == 0
    assert unishare(tmp_path, "version").stdout.startswith(short.stdout)
