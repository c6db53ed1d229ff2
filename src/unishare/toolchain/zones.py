"""Handing out addresses: zones of whole 2 MiB for each right, windows packed in them, first fit.

Pure arithmetic, no files: the global map replays its records through this, so a map that is read and a map that grows follow
the same rules.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from unishare.toolchain.address_space import LIBRARY_BASE, LIBRARY_END, PAGE, ZONE, round_up
from unishare.toolchain.sections import Kind

# Text and constants are shared page by page, so each library starts a page. Writable memory is private anyway: packed to cache
# lines, an instance writes to fewer pages.
STEPS = {Kind.TEXT: PAGE, Kind.RODATA: PAGE, Kind.DATA: 64, Kind.BSS: 64}
# A writable zone holds both kinds, so that an instance needs one page-table page for them: data below, bss above.
DATA_PART = ZONE // 4


class Full(Exception):
    """No room is left; the map decides what that means."""


@dataclass(frozen=True)
class Window:
    """Addresses of one kind of section of one library, in bytes."""

    address: int
    size: int
    alignment: int

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.address + self.size


@dataclass
class _Area:
    """A stretch of one kind, filled from below."""

    kind: Kind
    end: int
    cursor: int


@dataclass
class Zones:
    """The zones of one generation."""

    next_zone: int = LIBRARY_BASE
    limit: int = LIBRARY_END
    areas: dict[Kind, list[_Area]] = field(default_factory=lambda: {kind: [] for kind in Kind})

    def allocate(self, kind: Kind, size: int, alignment: int) -> Window:
        """Take a window. Raises `Full`."""
        step = max(STEPS[kind], alignment)
        for area in self.areas[kind]:
            start = round_up(area.cursor, step)
            if start + size <= area.end:
                area.cursor = round_up(start + size, STEPS[kind])
                return Window(start, size, alignment)
        self._open(kind, size)
        return self.allocate(kind, size, alignment)

    def _open(self, kind: Kind, size: int) -> None:
        """Start a zone that has room for the window."""
        start = self.next_zone
        shared = kind in (Kind.DATA, Kind.BSS) and size <= (DATA_PART if kind is Kind.DATA else ZONE - DATA_PART)
        length = ZONE if shared else round_up(max(size, 1), ZONE)
        if start + length > self.limit:
            raise Full
        self.next_zone = start + length
        if shared:
            self.areas[Kind.DATA].append(_Area(Kind.DATA, start + DATA_PART, start))
            self.areas[Kind.BSS].append(_Area(Kind.BSS, start + ZONE, start + DATA_PART))
        else:
            self.areas[kind].append(_Area(kind, start + length, start))
