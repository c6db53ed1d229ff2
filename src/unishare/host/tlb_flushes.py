"""TLB flushes, by who was at work and why (tracepoint tlb:tlb_flush). Unit: events.

Counts, for each task, `local` flushes of its own processor, `asked` ones that it made other processors do, and `suffered` ones that
interrupted it. Flushes of a plain task switch are filtered out. Misses what a virtual processor flushes inside hardware (nothing is traced
there; host/kvm_counters.py), and events that came faster than they were read: `lost`. Needs root and tracefs.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from unishare.errors import HostLacksError
from unishare.host.kernel_file_systems import mounted

TRACEFS = Path("/sys/kernel/tracing")
EVENT = "events/tlb/tlb_flush"
BUFFER_KB = 8192
PAUSE_S = 0.05
# enum tlb_flush_reason (linux/mm_types.h); 0 is a task switch.
KINDS = {1: "suffered", 2: "local", 3: "local", 4: "asked", 5: "suffered"}
_LINE = re.compile(rb"-(\d+)\s+(?:\([^)]*\)\s+)?\[\d+\].*: tlb_flush: .*\((\d+)\)")
_LOST = re.compile(rb"LOST (\d+) EVENTS")


@dataclass
class Flushes:
    """`by_task[pid, kind]`."""

    by_task: Counter[tuple[int, str]] = field(default_factory=Counter)
    lost: int = 0

    def of(self, pids: frozenset[int], kind: str | None = None) -> int:
        """Events of these tasks, of one kind or of all."""
        return sum(count for (pid, what), count in self.by_task.items() if pid in pids and kind in (None, what))


def problem(root: Path = TRACEFS) -> str | None:
    """Why flushes cannot be traced here; None where they can."""
    if root == TRACEFS and not mounted("tracefs"):
        return "tracefs is not mounted, and cannot be by this user"
    if not os.access(root, os.X_OK):
        return f"{root} is root's"
    if not (root / EVENT).is_dir():
        return f"{root}/{EVENT} is not there: the kernel has no such tracepoint, or not for this user"
    return None if os.access(root / "instances", os.W_OK) else f"{root}/instances is root's"


class Tracing:
    """Traces while its context is open: `with Tracing() as flushes`. It has a trace instance of its own, which others do not see."""

    def __init__(self, root: Path = TRACEFS) -> None:
        self._root = root
        self._folder = root / "instances" / f"unishare-{os.getpid()}"
        self._ending = threading.Event()
        self._reader: threading.Thread | None = None
        self._pipe = -1
        self.flushes = Flushes()

    def __enter__(self) -> Self:
        why = problem(self._root)
        if why is not None:
            raise HostLacksError(f"TLB flushes cannot be traced: {why}", "run it as root, on a kernel with CONFIG_FTRACE")
        self._folder.mkdir()
        (self._folder / "buffer_size_kb").write_text(str(BUFFER_KB))
        (self._folder / EVENT / "filter").write_text("reason != 0")
        self._pipe = os.open(self._folder / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        (self._folder / EVENT / "enable").write_text("1")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            (self._folder / EVENT / "enable").write_text("0")
        self._ending.set()
        if self._reader is not None:
            self._reader.join()
        os.close(self._pipe)
        self._folder.rmdir()

    def _read(self) -> None:
        rest = b""
        while True:
            # Asked before reading: what came until the end is still read.
            ending = self._ending.is_set()
            with contextlib.suppress(BlockingIOError):
                while chunk := os.read(self._pipe, 1 << 20):
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        count_line(line, self.flushes)
            if ending:
                return
            self._ending.wait(PAUSE_S)


def count_line(line: bytes, flushes: Flushes) -> None:
    """Add one line of trace_pipe."""
    if found := _LINE.search(line):
        flushes.by_task[int(found[1]), KINDS.get(int(found[2]), "other")] += 1
    elif lost := _LOST.search(line):
        flushes.lost += int(lost[1])
