"""`unishare logs` on files as the launcher leaves them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from unishare.cli import logs
from unishare.cli.commands import cli
from unishare.cli.terminal import TerminalText


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "run" / "logs"
    folder.mkdir(parents=True)
    (folder / "gzip-1.log.1").write_bytes(b"one\ntwo\n")
    (folder / "gzip-1.log").write_bytes(b"three\n\xff\x1b[2J\nfive")
    return folder / "gzip-1.log"


def printed(home: Path, *arguments: str) -> bytes:
    result = CliRunner().invoke(cli, ["--home", str(home), "logs", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout_bytes


def test_the_part_that_was_set_aside_comes_first(tmp_path: Path, log: Path) -> None:
    assert printed(tmp_path, "gzip-1") == b"one\ntwo\nthree\n\xff\x1b[2J\nfive"


@pytest.mark.parametrize(("count", "text"), [(0, b""), (1, b"five"), (4, b"two\nthree\n\xff\x1b[2J\nfive")])
def test_the_last_lines(tmp_path: Path, log: Path, count: int, text: bytes) -> None:
    assert printed(tmp_path, "gzip-1", "--tail", str(count)) == text


def test_following_goes_on_when_the_log_is_set_aside(tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter(range(1000))

    async def is_live(*_: object) -> bool:
        # The instance writes, its log is set aside, it writes again, and ends.
        look = next(looks)
        if look == 1:
            with log.open("ab") as stream:
                stream.write(b" six\n")
        if look == 2:
            log.rename(log.with_name("gzip-1.log.1"))
            log.write_bytes(b"seven\n")
        return look < 4

    monkeypatch.setattr(logs, "_is_live", is_live)
    monkeypatch.setattr(logs, "LOOK_AGAIN_S", 0.0)
    assert printed(tmp_path, "gzip-1", "--tail", "1", "--follow") == b"five six\nseven\n"


def test_a_terminal_is_not_controlled_by_a_guest() -> None:
    text = TerminalText()
    assert text.text(b"\x1b]0;title\x07 \xc3") == "\\x1b]0;title\\x07 "
    assert text.text(b"\xbc\t\r\n\x7f\xc2\x9b") == "ü\t\\x0d\n\\x7f\\x9b"


def test_no_log_is_said(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["--home", str(tmp_path), "logs", "nobody-1"])
    assert "there is no log of instance 'nobody-1'" in str(result.exception)
