"""Handing out addresses: zones of whole 2 MiB, in them stretches for each kind of section, in those windows, first fit.

A zone is what one page-table page reaches. It holds code, constants and data of libraries that come together, so that an instance needs one
such page for them, not one for each right. Large windows have zones of their own: else each would keep small libraries apart.

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
# A writable stretch holds both kinds: data below, in this part of it, bss above.
DATA_PART = 4
# So many stretches of a kind are still filled; then the fullest is closed. So a window costs the same however many there are.
OPEN_AREAS = 8


@dataclass(frozen=True)
class Lengths:
    """Bytes of a stretch of text, of constants, and of data and bss together; of a window from which on it is large, and a multiple of
    which its own stretch has."""

    text: int
    rodata: int
    writable: int
    large: int
    step: int

    def of(self, kind: Kind) -> int:
        """The length of a stretch that holds this kind."""
        return {Kind.TEXT: self.text, Kind.RODATA: self.rodata}.get(kind, self.writable)


# The C library and what it needs fill the first stretches of text and constants, and small libraries the rest of their zone.
MIXED = Lengths(text=512 << 10, rodata=256 << 10, writable=64 << 10, large=256 << 10, step=64 << 10)
# Zones of one right, as the first maps had them.
SEPARATE = Lengths(text=ZONE, rodata=ZONE, writable=ZONE, large=ZONE, step=ZONE)


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
class _Room:
    """What is left of a zone for stretches."""

    cursor: int = 0
    end: int = 0


@dataclass
class Zones:
    """The zones of one generation; `areas` are stretches that are still filled, `small` and `large` the zones that are still cut into
    stretches."""

    next_zone: int = LIBRARY_BASE
    limit: int = LIBRARY_END
    lengths: Lengths = MIXED
    areas: dict[Kind, list[_Area]] = field(default_factory=lambda: {kind: [] for kind in Kind})
    small: _Room = field(default_factory=_Room)
    large: _Room = field(default_factory=_Room)

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
        """Start a stretch that has room for the window."""
        length = self.lengths.of(kind)
        data = length // DATA_PART
        if kind not in SHARED_BY_PAGE and size <= (data if kind is Kind.DATA else length - data) and alignment <= data:
            start, _ = self._cut(self.small, length, length, length)
            self._add(_Area(Kind.DATA, start + data, start))
            self._add(_Area(Kind.BSS, start + length, start + data))
            return
        needed = round_up(max(size, 1), self.lengths.step)
        if needed > self.lengths.large:
            self._add(_Area(kind, *reversed(self._cut(self.large, needed, needed, alignment))))
        else:
            self._add(_Area(kind, *reversed(self._cut(self.small, needed, max(needed, length), alignment))))

    def _cut(self, room: _Room, least: int, most: int, alignment: int) -> tuple[int, int]:
        """Start and end of a stretch: in what is left of a zone, else in fresh ones."""
        start = round_up(room.cursor, min(alignment, ZONE))
        if start + least > room.end:
            start, end = self.next_zone, self.next_zone + round_up(least, ZONE)
            if end > self.limit:
                raise Full
            self.next_zone = room.end = end
        room.cursor = min(start + most, room.end)
        return start, room.cursor

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
