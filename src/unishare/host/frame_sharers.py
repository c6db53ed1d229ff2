"""How many page frames a set of processes has mapped, by how many of them map each. Unit: frames.

Reads /proc/PID/maps and pagemap, root only. Counts present user pages: each distinct frame once. Misses what is not mapped at this moment (swapped
pages, page cache that nobody maps, kernel memory), and takes a frame for private that only processes outside the set share; `zero` are
pages that show the kernel's one page of zeros, which belong to nobody (/proc/kpageflags, bit 24).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from unishare.host.frames import PAGE, frames, mappings

FLAGS = Path("/proc/kpageflags")
_ZERO_PAGE = 1 << 24
_KSM = 1 << 21


@dataclass(frozen=True)
class Sharers:
    """`frames[n]`: how many frames n processes map. `mapped`: present pages of all processes, the zero page's apart (`zero`). `merged`: frames that
    KSM made (kpageflags, bit 21)."""

    frames: dict[int, int]
    mapped: int
    zero: int
    merged: int

    @property
    def private(self) -> int:
        """Frames of one process only."""
        return self.frames.get(1, 0)

    @property
    def shared(self) -> int:
        """Frames of several."""
        return sum(count for sharers, count in self.frames.items() if sharers > 1)


def read_sharers(pids: Iterable[int]) -> Sharers:
    """Look at all processes; those that end meanwhile count as far as they were read."""
    times: Counter[int] = Counter()
    entries: Counter[int] = Counter()
    for pid in pids:
        found: Counter[int] = Counter()
        try:
            for mapping in mappings(pid):
                if mapping.path == "[vsyscall]":
                    continue
                found.update(frame for frame in frames(pid, mapping.start, (mapping.end - mapping.start) // PAGE) if frame)
        except (FileNotFoundError, ProcessLookupError):
            continue
        times.update(found.keys())
        entries.update(found)
    flags = _flags(times)
    zero = {frame for frame in times if flags[frame] & _ZERO_PAGE}
    spread = Counter(count for frame, count in times.items() if frame not in zero)
    return Sharers(
        frames=dict(spread),
        mapped=sum(count for frame, count in entries.items() if frame not in zero),
        zero=sum(entries[frame] for frame in zero),
        merged=sum(bool(flags[frame] & _KSM) for frame in times),
    )


def _flags(found: Iterable[int]) -> dict[int, int]:
    flags = {}
    with FLAGS.open("rb", buffering=0) as file:
        for frame in sorted(found):
            file.seek(frame * 8)
            flags[frame] = int.from_bytes(file.read(8), "little")
    return flags
