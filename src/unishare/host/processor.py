"""Processor time of another process, to the nanosecond. Called by `bench speed`.

The kernel adds a thread's time up (/proc/PID/task/TID/schedstat) when it leaves the processor or at a tick. So this waits until no
thread runs and nothing is added any more: an instance that has answered sleeps within microseconds.
"""

from __future__ import annotations

import time
from pathlib import Path

LIMIT_S = 5.0
PAUSE_S = 0.0002
# A thread says that it sleeps just before it leaves the processor: as many equal readings show that it has.
EQUAL = 3


def processor_ns(pid: int) -> int:
    """What all its threads have run so far, a guest's time under KVM included."""
    return sum(_settled_ns(task) for task in Path(f"/proc/{pid}/task").iterdir())


def _settled_ns(task: Path) -> int:
    """A thread's time once it sleeps, or, if it goes on running, as of its last tick."""
    deadline = time.monotonic() + LIMIT_S
    readings = [_ran_ns(task)]
    while time.monotonic() < deadline:
        runs = _runs(task)
        if runs:
            # Where more runs than there are processors, it has to wait for its turn, and our waiting must not take it.
            time.sleep(PAUSE_S)
        readings.append(_ran_ns(task))
        if not runs and len(set(readings[-EQUAL:])) == 1 and len(readings) >= EQUAL:
            break
    return readings[-1]


def _ran_ns(task: Path) -> int:
    return int((task / "schedstat").read_text().split()[0])


def _runs(task: Path) -> bool:
    return (task / "stat").read_text().rpartition(")")[2].split()[0] == "R"
