"""Processor time of a kernel thread, such as ksmd. Unit: nanoseconds. Readable by everyone; 0 where there is no such thread.

Counts what the scheduler has charged to it (schedstat, at each tick and when it leaves the processor). Misses interrupts that it causes elsewhere:
a remote TLB flush costs the processor that is interrupted.
"""

from __future__ import annotations

from pathlib import Path


def find_thread(name: str) -> int | None:
    """The pid of a kernel thread (a child of kthreadd, pid 2)."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            text = (folder / "stat").read_text()
        except OSError:
            continue
        comm, _, rest = text.partition("(")[2].rpartition(")")
        if comm == name and rest.split()[1] == "2":
            return int(folder.name)
    return None


def thread_ns(pid: int | None) -> int:
    """What it has run so far."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) if pid else 0
