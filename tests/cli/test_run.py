"""What `unishare run` says of instances that did not start well."""

from __future__ import annotations

import pytest

from unishare.cli import run
from unishare.errors import TimeLimitError
from unishare.fleet.messages import Instance, StartedInstance, State


def started(*states: State | None) -> list[StartedInstance]:
    return [StartedInstance(instance=f"a-{number}", pid=number + 1, state=state) for number, state in enumerate(states)]


def test_good_ones_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run._tell_started(started(None, "ready"), 0, as_json=False) == 0
    assert capsys.readouterr().out == "a-0\na-1\n"


def test_a_crash_names_the_command_that_explains_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run._tell_started(started("ready", "crashed"), 139, as_json=False) == 139
    assert "1 of 2 crashed; 'unishare crash a-1' explains it" in capsys.readouterr().err


def test_one_that_ended_by_itself_has_its_own_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert run._tell_started(started("exited", "ready"), 0, as_json=False) == 0
    assert capsys.readouterr().err == ""
    assert run._tell_started(started("exited", "ready"), 3, as_json=False) == 3
    assert "1 of 2 ended, with code 3; 'unishare logs a-0' shows what it said" in capsys.readouterr().err


def test_one_that_never_got_ready_is_a_matter_of_time_and_no_crash(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TimeLimitError, match="1 of 2 did not get ready"):
        run._tell_started(started("ready", "timed-out"), 124, as_json=False)
    assert "crash" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("state", "exit", "code"), [("timed-out", 137, 124), ("exited", 7, 7), ("crashed", 139, 139), ("stopped", None, 0)]
)
def test_exit_codes_of_a_held_fleet(state: State, exit: int | None, code: int) -> None:
    ended = Instance(
        instance="a-1", image="a", pid=1, tender="kvm", sharing="pool", state=state, started=0, exit=exit, invocations=0
    )  # fmt: skip
    assert run._code(ended) == code
