"""Answers on a terminal are text; into a file or pipe they go as they are."""

from __future__ import annotations

import sys

import pytest

from unishare.cli.invoke import _print

ANSWER = b"\x1b[2Jgone\xff\r\n"


@pytest.mark.parametrize(("terminal", "shown"), [(False, ANSWER), (True, b"\\x1b[2Jgone\\xff\\x0d\n")])
def test_answers(
    terminal: bool, shown: bytes, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    _print(ANSWER)
    assert capsysbinary.readouterr().out == shown
