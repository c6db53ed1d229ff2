"""Where the pages of a library's window are kept: the same place for all images, for ever.

The first image with a library version at an address decides the place: a run, and the page in it. (One version has several addresses
when the global map has several generations.) Libraries that never come alone and lie side
by side go into one run, side by side, so that an instance needs one mapping for all of them (the kernel merges mappings that go
on in address and in file). A later image whose window differs is cut: stretches of equal pages point to the place, the others
into a run of their own. Bytes decide, nothing is assumed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from unishare.formats.addresses import PAGE
from unishare.pool.pieces import Piece
from unishare.pool.runs import RunFiles
from unishare.state import make_folder, replace_file

# The line's end is part of a record: without it the number before may have been cut.
_RECORD = re.compile(rb"([0-9a-f]{64})(?: ([0-9]{1,9}))?\n")


@dataclass(frozen=True)
class Stretch:
    """`pages` pages from page `first` of a run, or of the window's own bytes (`shared` false), at page `at` of the window."""

    at: int
    pages: int
    shared: bool


@dataclass(frozen=True)
class Place:
    """A window's pages begin at page `first` of a run."""

    run: str
    first: int


def places(
    folder: Path,
    pieces: Iterable[Piece],
    hashes: Mapping[str, str],
    inseparable: Collection[str],
    runs: RunFiles,
) -> dict[int, Place]:
    """Where an image's library windows are kept, by address. Those that no image had before, or whose run is lost or damaged, get
    their place now. The caller holds the pool's lock."""
    found, new = {}, []
    for piece in pieces:
        if piece.library is None or piece.rights == "rw-" or not piece.data:
            continue
        place = place_of(folder, hashes[piece.library], piece.section, piece.address)
        if place is None or not runs.is_intact(place.run):
            new.append(piece)
        else:
            found[piece.address] = place
    for group in neighbours(new, inseparable):
        run, first = runs.add(b"".join(piece.data for piece in group)), 0
        for piece in group:
            found[piece.address] = Place(run, first)
            record_place(folder, hashes[piece.library or ""], piece.section, piece.address, found[piece.address])
            first += len(piece.data) // PAGE
    return found


def place_of(folder: Path, library: str, section: str, address: int) -> Place | None:
    """The recorded place of a library version's section, whose first page is at an address."""
    return read_place(_record(folder, library, section, address))


def read_place(record: Path) -> Place | None:
    """A record's content; None when there is none or it is damaged. The page is left out where it is 0."""
    try:
        found = _RECORD.fullmatch(record.read_bytes())
    except FileNotFoundError:
        return None
    return Place(found[1].decode(), int(found[2] or 0)) if found else None


def record_place(folder: Path, library: str, section: str, address: int, place: Place) -> None:
    """Record a place."""
    record = _record(folder, library, section, address)
    make_folder(record.parent)
    replace_file(record, f"{place.run} {place.first}\n".encode() if place.first else f"{place.run}\n".encode())


def _record(folder: Path, library: str, section: str, address: int) -> Path:
    return folder / library / f"{section}-{address:x}"


def neighbours(windows: Iterable[Piece], inseparable: Collection[str]) -> Iterator[list[Piece]]:
    """Windows, in order of address, in groups that one run shall hold: libraries that never come alone and lie side by side."""
    group: list[Piece] = []
    for window in windows:
        last = group[-1] if group else None
        joined = (
            last is not None
            and last.rights == window.rights
            and last.address + len(last.data) == window.address
            and last.library in inseparable
            and window.library in inseparable
        )
        if group and not joined:
            yield group
            group = []
        group.append(window)
    if group:
        yield group


def stretches(own: bytes, canonical: bytes) -> Iterator[Stretch]:
    """Cut a window into stretches of pages that equal the canonical ones at the same place, and of those that do not."""
    count = len(own) // PAGE
    equal = [own[page * PAGE : (page + 1) * PAGE] == canonical[page * PAGE : (page + 1) * PAGE] for page in range(count)]
    start = 0
    while start < count:
        end = start + 1
        while end < count and equal[end] == equal[start]:
            end += 1
        yield Stretch(start, end - start, equal[start])
        start = end
