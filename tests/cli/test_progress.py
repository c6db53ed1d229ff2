"""Progress where there is no terminal: few plain lines, none for what takes no time."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from unishare.cli import progress


def test_a_quick_build_says_only_that_it_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.steps() as step:
        for number in range(30):
            step(f"library l{number}", number, 30)
        step("built", 3, 3)
    assert capsys.readouterr().err == "built: 3/3\n"


def test_a_long_step_says_where_it_is(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(100))
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))
    with progress.steps() as step:
        for number in range(10):
            step("starting", number, 10)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "starting: 1/10"
    assert 3 <= len(said) <= 5
