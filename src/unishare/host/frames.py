"""Which physical page frame lies behind a virtual address of a process (/proc/PID/pagemap).

Two instances share a page exactly when the frame numbers are equal. Called by tests and `unishare inspect`; needs
CAP_SYS_ADMIN, without which the kernel shows all frames as 0.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path

PAGE = mmap.PAGESIZE
_PRESENT = 1 << 63
_FRAME_MASK = (1 << 55) - 1


@dataclass(frozen=True)
class Mapping:
    """One line of /proc/PID/maps."""

    start: int
    end: int
    rights: str
    offset: int
    path: str


def mappings(pid: int) -> list[Mapping]:
    """The memory map of a process."""
    found = []
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        addresses, rights, offset, _device, _inode, *path = line.split(maxsplit=5)
        start, end = (int(part, 16) for part in addresses.split("-"))
        found.append(Mapping(start, end, rights, int(offset, 16), path[0] if path else ""))
    return found


def frames(pid: int, address: int, pages: int) -> list[int | None]:
    """The frame of each page from `address` on; None where nothing is present."""
    with Path(f"/proc/{pid}/pagemap").open("rb", buffering=0) as pagemap:
        pagemap.seek(address // PAGE * 8)
        data = pagemap.read(pages * 8)
    entries = [entry for (entry,) in struct.iter_unpack("<Q", data)]
    return [entry & _FRAME_MASK if entry & _PRESENT else None for entry in entries]


def frames_of_run(pid: int, run: str, first: int, pages: int) -> list[int | None]:
    """The frames behind pages `first`... of a pool run, wherever the process has mapped it."""
    found: list[int | None] = [None] * pages
    for mapping in mappings(pid):
        if not mapping.path.endswith(run):
            continue
        start = mapping.offset // PAGE
        for index, frame in enumerate(frames(pid, mapping.start, (mapping.end - mapping.start) // PAGE)):
            if frame is not None and 0 <= start + index - first < pages:
                found[start + index - first] = frame
    return found


def frames_visible() -> bool:
    """Whether this process may see frame numbers."""
    buffer = ctypes.create_string_buffer(b"x" * PAGE)
    frame = frames(os.getpid(), ctypes.addressof(buffer), 1)[0]
    return bool(frame)
