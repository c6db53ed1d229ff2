"""The console script as a process: closed and broken streams, odd bytes, wrong usage."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from unishare.cli import failures
from unishare.cli.commands import cli

PROGRAM = f"{sys.executable} -m unishare"


def shell(command: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which `unishare` is the program."""
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; unishare() {{ {PROGRAM} \"$@\"; }}; {command}"], capture_output=True, check=False,
        encoding="utf-8", errors="surrogateescape", stdin=subprocess.DEVNULL, timeout=60,
        env={**os.environ, "UNISHARE_HOME": str(home), **environment},
    )  # fmt: skip


@pytest.mark.parametrize("streams", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["catalog", "ps", "map --json"])
def test_closed_streams_are_empty_ones(tmp_path: Path, command: str, streams: str) -> None:
    done = shell(f"unishare {command} {streams}", tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["catalog", "catalog --json", "--help"])
def test_a_reader_that_goes_away_is_no_error(tmp_path: Path, command: str) -> None:
    done = shell(f"unishare {command} | :", tmp_path)
    assert done.returncode in (0, 141)
    assert done.stderr == ""


def test_a_full_disk_under_the_output_is_said(tmp_path: Path) -> None:
    done = shell("unishare catalog > /dev/full", tmp_path)
    assert done.returncode == 74
    assert done.stderr.startswith("error: ") and "No space left" in done.stderr


@pytest.mark.parametrize("environment", [{}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
@pytest.mark.parametrize("name", ["$'\\xff\\xfe'", "ü"])
def test_names_of_any_bytes_are_answered(tmp_path: Path, name: str, environment: dict[str, str]) -> None:
    done = shell(f"unishare build {name}", tmp_path, **environment)
    assert done.returncode == 66
    assert done.stderr.startswith("error: unknown app ")


@pytest.mark.parametrize("command", ["build $'\\e]0;x'", "pool add $'/\\e]0;x'", "invoke $'\\e]0;x'", "test", "ps"])
def test_nothing_controls_the_terminal_through_a_message(tmp_path: Path, command: str) -> None:
    folder = tmp_path / "project\x1b]0;x"
    folder.mkdir()
    (folder / "app.toml").write_text(
        'name = "x"\nsummary = "s"\nlibraries = []\n"\\u001b]0;x" = 1\n[run.env]\n"\\u001b]0;x=" = "v"\n'
    )
    done = shell(f"cd {tmp_path}/project*; unishare {command}", tmp_path / "home")
    assert done.returncode in (0, 2, 65, 66)
    assert "\x1b" not in done.stdout + done.stderr
    assert done.returncode == 0 or "\\x1b]0;x" in done.stderr


ODD_NUMBERS = ("nan", "inf", "-inf", "1e308", "-1", "1e10", "many", "")
ODD_OPTIONS = (
    "run hello --time-limit",
    "invoke hello --time-limit",
    "snapshot hello --time-limit",
    "cache prune --older-than",
    "evaluate --budget",
)
ODD_OPTIONS += (
    "run hello --cpu-limit",
    "run hello --quiet-ms",
    "run hello --park-ms",
    "run hello --gaps",
    "run hello --seed",
    "run hello -n",
    "run hello --memory",
)


@pytest.mark.parametrize("option", ODD_OPTIONS)
def test_numbers_that_are_none_or_have_no_bound_are_wrong_usage(tmp_path: Path, option: str) -> None:
    for number in ODD_NUMBERS:
        arguments = [
            *option.split()[:-1],
            f"{option.split()[-1]}={number}" if option.split()[-1].startswith("--") else f"{option.split()[-1]}{number}",
        ]
        done = CliRunner().invoke(cli, ["--home", str(tmp_path), *arguments])
        assert isinstance(done.exception, SystemExit) and done.exit_code == 2, (arguments, done.exception)


def test_too_little_memory_is_no_defect(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def starved() -> int:
        raise MemoryError

    monkeypatch.setattr(failures, "run_command", starved)
    assert failures.run_and_report() == 69
    assert "not enough memory" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["invoke hello --file /dev/zero", "cat /dev/zero | unishare invoke hello"])
def test_a_request_that_never_ends_is_refused(tmp_path: Path, command: str) -> None:
    done = shell(f"ulimit -v 2000000; {command if '|' in command else f'unishare {command}'}", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "more than 67108864 bytes" in done.stderr


@pytest.mark.parametrize("place", ["app.toml", "data", "libraries/own.toml"])
@pytest.mark.parametrize("kind", ["mkfifo", "ln -s /dev/zero", "truncate -s 20G"])
def test_a_file_of_a_project_that_never_ends_is_refused(tmp_path: Path, place: str, kind: str) -> None:
    project = tmp_path / "project"
    (project / "libraries").mkdir(parents=True)
    (project / "app.toml").write_text('name = "one"\nlibraries = ["own"]\n[files]\n"/data" = "data"\n')
    (project / "libraries" / "own.toml").write_text(
        'name = "own"\nversion = "1"\nlicense = "0BSD"\n[source]\nprovider = "folder"\npath = "."\n'
    )
    (project / "data").touch()
    (project / "main.c").write_text("int main(void) { return 0; }")
    (project / place).unlink()
    done = shell(f"ulimit -v 2000000; cd {project}; {kind} {place}; unishare build", tmp_path / "home")
    assert done.returncode == 65, done.stderr
    assert place.split("/")[-1] in done.stderr


@pytest.mark.parametrize(
    "command",
    ["build", "build --layout odd hello", "build --layout", "--home '' ps", "nosuch", "run hello --memory many", "stop"],
)
def test_wrong_usage_is_two_lines(tmp_path: Path, command: str) -> None:
    done = shell(f"unishare {command}", tmp_path)
    assert done.returncode == 2
    first, second = done.stderr.splitlines()
    assert first.startswith("error: ") and second.startswith("hint: see 'unishare ")
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())


def test_without_a_command_the_help_is_shown(tmp_path: Path) -> None:
    done = shell("unishare", tmp_path)
    assert done.returncode == 2
    assert "First steps:" in done.stderr


@pytest.mark.parametrize("home", ["/proc/none", "/dev/null/none"])
def test_a_home_that_cannot_be_made_is_named(tmp_path: Path, home: str) -> None:
    done = shell(f"unishare --home {home} build hello", tmp_path)
    assert done.returncode == 74
    assert done.stderr.startswith(f"error: {home}")
    assert "Traceback" not in done.stderr
