"""An emulator does not outlive the test run, or the measurement, that started it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from hardware.emulators import WITH_US

LIMIT_S = 30
STARTER = "import subprocess, sys, time; print(subprocess.Popen(sys.argv[1:]).pid, flush=True); time.sleep(600)"


def test_what_is_started_with_us_ends_with_us() -> None:
    command = [sys.executable, "-c", STARTER, *WITH_US, "sleep", "600"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        _wait(lambda: _name_and_state(pid)[0] == "sleep")
        starter.kill()
    _wait(lambda: _name_and_state(pid)[1] in ("", "Z"))


def _wait(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _name_and_state(pid: int) -> tuple[str, str]:
    """Empty when there is no such process."""
    try:
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
    except OSError:
        return "", ""
    return name, rest.split()[0]
