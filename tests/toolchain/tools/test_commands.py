"""Running tools: how one ended is part of what it said."""

from __future__ import annotations

import signal

import pytest

from unishare.toolchain.tools.commands import Tools


@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGXFSZ, "ulimit -f"), (signal.SIGKILL, "memory"), (signal.SIGSEGV, "SIGSEGV")]
)
def test_a_tool_that_a_signal_ended_is_said_to_be(number: int, said: str) -> None:
    code, output = Tools().run(["sh", "-c", f"echo so far; kill -{int(number)} $$"])
    assert code == -number
    assert output.startswith("so far\nsh was ended by SIG") and said in output


def test_one_that_ended_by_itself_said_what_it_said() -> None:
    assert Tools().run(["sh", "-c", "echo all; exit 3"]) == (3, "all\n")
