"""Which pages of processes have equal contents, shared or not: what an ideal merger of pages could save. Unit: pages.

Reads present private pages and pages of files alike (/proc/PID/pagemap, /proc/PID/mem; root only) and counts contents by their BLAKE2b digest. Misses
pages that are not present, and shows a moment: a page that changes is counted as it was read. What cannot be read (`[vvar]`) is left out.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from unishare.host.frames import PAGE, frames, mappings

_LEFT_OUT = ("[vvar]", "[vvar_vclock]", "[vsyscall]", "[vdso]")
_ZERO = bytes(PAGE)
DIGEST_SIZE = 12


class Contents:
    """Contents of the pages of all processes that were added."""

    def __init__(self) -> None:
        self.times: Counter[bytes] = Counter()
        self.zero = 0

    def add(self, pid: int) -> None:
        """Read one process's pages; one that ends meanwhile counts as far as it was read."""
        for page in pages(pid):
            if page == _ZERO:
                self.zero += 1
            else:
                self.times[hashlib.blake2b(page, digest_size=DIGEST_SIZE).digest()] += 1

    @property
    def unshared(self) -> int:
        """Pages whose content nobody else has."""
        return sum(count == 1 for count in self.times.values())

    @property
    def shareable(self) -> int:
        """Pages whose content occurs more than once."""
        return self.times.total() - self.unshared

    @property
    def distinct(self) -> int:
        """Pages that would be left if each content were kept once."""
        return len(self.times)


def pages(pid: int) -> Iterator[bytes]:
    """The contents of a process's present pages."""
    try:
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            for mapping in mappings(pid):
                if mapping.path in _LEFT_OUT or mapping.path.startswith("anon_inode:"):
                    continue
                for start, count in _present(pid, mapping.start, (mapping.end - mapping.start) // PAGE):
                    yield from _read(memory.fileno(), start, count)
    except (FileNotFoundError, ProcessLookupError):
        return


def _present(pid: int, start: int, count: int) -> Iterator[tuple[int, int]]:
    """Stretches of present pages: address and pages."""
    first: int | None = None
    found = frames(pid, start, count)
    for number, frame in enumerate([*found, None]):
        if frame is not None and first is None:
            first = number
        elif frame is None and first is not None:
            yield start + first * PAGE, number - first
            first = None


def _read(memory: int, address: int, count: int) -> Iterator[bytes]:
    try:
        data = os.pread(memory, count * PAGE, address)
    except OSError:
        return
    for offset in range(0, len(data) - PAGE + 1, PAGE):
        yield data[offset : offset + PAGE]
