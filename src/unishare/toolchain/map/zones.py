"""Handing out addresses: zones of whole 2 MiB for each right, windows packed in them, first fit.

Pure arithmetic, no files: the global map replays its records through this, so a map that is read and a map that grows follow
the same rules.

A window of text or constants has its pages to itself, but need not begin where its first page does: it begins as far into it
as the window below ended in its last page, if it then takes no more pages. An ELF file with both needs no padding between them,
for the offset of a segment must equal its address modulo a page; memory does not change.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from unishare.formats.addresses import LIBRARY_BASE, LIBRARY_END, PAGE, ZONE, round_up
from unishare.formats.sections import Kind

# Text and constants are shared page by page, so no two libraries have a page in common. Writable memory is private anyway: packed
# to cache lines, an instance writes to fewer pages.
SHARED_BY_PAGE = frozenset({Kind.TEXT, Kind.RODATA})
CACHE_LINE = 64
# A writable zone holds both kinds, so that an instance needs one page-table page for them: data below, bss above.
DATA_PART = ZONE // 4
# So many zones of a kind are still filled; then the fullest is closed. So a window costs the same however many there are.
OPEN_AREAS = 8


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
    """The zones of one generation; `areas` are those that are still filled."""

    next_zone: int = LIBRARY_BASE
    limit: int = LIBRARY_END
    areas: dict[Kind, list[_Area]] = field(default_factory=lambda: {kind: [] for kind in Kind})

    def allocate(self, kind: Kind, size: int, alignment: int) -> Window:
        """Take a window. Raises `Full`."""
        window = self._fit(kind, size, alignment)
        if window is None:
            self._open(kind, size, alignment)
            window = self._fit(kind, size, alignment)
        if window is None:
            raise Full  # an alignment beyond a zone's
        return window

    def _fit(self, kind: Kind, size: int, alignment: int) -> Window | None:
        for area in self.areas[kind]:
            start = _start(area.cursor, kind, size, max(CACHE_LINE, alignment))
            if start + size <= area.end:
                area.cursor = start + size
                return Window(start, size, alignment)
        return None

    def _open(self, kind: Kind, size: int, alignment: int) -> None:
        """Start a zone that has room for the window."""
        start = self.next_zone
        part = DATA_PART if kind is Kind.DATA else ZONE - DATA_PART
        shared = kind not in SHARED_BY_PAGE and size <= part and alignment <= DATA_PART
        length = ZONE if shared else round_up(max(size, 1), ZONE)
        if start + length > self.limit:
            raise Full
        self.next_zone = start + length
        if shared:
            self._add(_Area(Kind.DATA, start + DATA_PART, start))
            self._add(_Area(Kind.BSS, start + ZONE, start + DATA_PART))
        else:
            self._add(_Area(kind, start + length, start))

    def _add(self, area: _Area) -> None:
        areas = self.areas[area.kind]
        if len(areas) == OPEN_AREAS:
            areas.remove(min(areas, key=lambda open_area: open_area.end - open_area.cursor))
        areas.append(area)


def _start(cursor: int, kind: Kind, size: int, step: int) -> int:
    """Where a window goes whose area is filled up to `cursor`."""
    if kind not in SHARED_BY_PAGE:
        return round_up(cursor, step)
    page = round_up(cursor, PAGE)
    lead = round_up(cursor % PAGE, step)
    if lead < PAGE and round_up(lead + size, PAGE) == round_up(size, PAGE):
        return round_up(page, step) + lead
    return round_up(page, step)
