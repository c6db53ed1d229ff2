"""Page faults of processes (/proc/PID/stat, fields 10 and 12). Unit: faults since the process began.

`minor` needed no disk: first touches, copies on write, and copies of pages that KSM had merged. Misses a guest's faults under KVM that the
hypervisor answers from memory that is mapped already.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Faults:
    """A sum over processes."""

    minor: int
    major: int


def read_faults(pids: Iterable[int]) -> Faults:
    """Sum them up; processes that have ended count nothing."""
    minor = major = 0
    for pid in pids:
        try:
            words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        minor += int(words[7])
        major += int(words[9])
    return Faults(minor, major)
