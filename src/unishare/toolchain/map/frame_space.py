"""Handing out places in *frames*: the pages that the layout aslr gives to each instance alone.

A library's linkage table and its writable data are small, and a page of its own for each would be most of what an instance costs.
So every library version gets a place of its own in a space of page frames, and the loader maps one frame at as many addresses as
libraries have a place in it: each library finds its bytes at its own base, and the bytes of all of them take one frame.

Pure arithmetic, no files: the global map replays its records through this.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from unishare.formats.addresses import PAGE, round_up
from unishare.toolchain.map.zones import Window


class FrameKind(enum.StrEnum):
    """What a frame holds: what the loader writes and the guest only reads, or what the guest writes."""

    LINKAGE = "linkage"
    WRITABLE = "writable"


FrameWindows = Mapping[FrameKind, Window]
# Slots of a linkage table are 8 bytes; writable data of two libraries never share a cache line.
STEPS = {FrameKind.LINKAGE: 16, FrameKind.WRITABLE: 64}


@dataclass
class FrameSpace:
    """Two spaces of bytes, both from 0: a window's page number in its space says which frame it is in."""

    ends: dict[FrameKind, int] = field(default_factory=lambda: dict.fromkeys(FrameKind, 0))
    rests: dict[FrameKind, list[Window]] = field(default_factory=lambda: {kind: [] for kind in FrameKind})

    def allocate(self, kind: FrameKind, size: int, alignment: int) -> Window:
        """Take a window: in the first rest of a page that holds it, else in fresh pages. None crosses a page without need."""
        step = max(STEPS[kind], alignment)
        for number, rest in enumerate(self.rests[kind]):
            start = round_up(rest.address, step)
            if start + size <= rest.end:
                self._keep(kind, number, round_up(start + size, STEPS[kind]), rest.end)
                return Window(start, size, alignment)
        start = self.ends[kind]
        self.ends[kind] = start + round_up(max(size, 1), PAGE)
        self.rests[kind].append(Window(start, 0, 1))
        self._keep(kind, len(self.rests[kind]) - 1, round_up(start + size, STEPS[kind]), self.ends[kind])
        return Window(start, size, alignment)

    def free(self, kind: FrameKind, window: Window) -> None:
        """Let others have a window that was taken: rests lie in one page each, and are filled from below from now on."""
        end = round_up(window.end, STEPS[kind])
        pieces = [(rest.address, rest.end) for rest in self.rests[kind]]
        for page in range(window.address // PAGE * PAGE, end, PAGE):
            pieces.append((max(window.address, page), min(end, page + PAGE)))
        joined: list[tuple[int, int]] = []
        for start, stop in sorted(pieces):
            if joined and joined[-1][1] == start and start % PAGE:
                start = joined.pop()[0]
            joined.append((start, stop))
        self.rests[kind] = [Window(start, stop - start, 1) for start, stop in joined]

    def _keep(self, kind: FrameKind, number: int, start: int, end: int) -> None:
        if start < end:
            self.rests[kind][number] = Window(start, end - start, 1)
        else:
            del self.rests[kind][number]
