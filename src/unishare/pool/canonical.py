"""Where the pages of a library's window are kept: the same place for all images, for ever.

The first image with a library version at an address decides the place: a run, and the page in it. (One version has several addresses
when the global map has several generations.) Libraries that never come alone and lie side
by side go into one run, side by side, so that an instance needs one mapping for all of them (the kernel merges mappings that go
on in address and in file). A later image whose window differs is cut: stretches of equal pages point to the place, the others
into a run of their own. Bytes decide, nothing is assumed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from unishare.formats.addresses import PAGE
from unishare.pool.pieces import Piece


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
    add_run: Callable[[bytes], str],
) -> dict[int, Place]:
    """Where an image's library windows are kept, by address. Those that no image had before get their place now."""
    found, new = {}, []
    for piece in pieces:
        if piece.library is None or piece.rights == "rw-" or not piece.data:
            continue
        place = place_of(folder, hashes[piece.library], piece.section, piece.address)
        if place is None:
            new.append(piece)
        else:
            found[piece.address] = place
    for group in neighbours(new, inseparable):
        run, first = add_run(b"".join(piece.data for piece in group)), 0
        for piece in group:
            library = hashes[piece.library or ""]
            found[piece.address] = record_place(folder, library, piece.section, piece.address, Place(run, first))
            first += len(piece.data) // PAGE
    return found


def place_of(folder: Path, library: str, section: str, address: int) -> Place | None:
    """The recorded place of a library version's section, whose first page is at an address."""
    try:
        return parse_place(_record(folder, library, section, address).read_text(encoding="ascii"))
    except FileNotFoundError:
        return None


def parse_place(text: str) -> Place:
    """A record's content; the page is left out where it is 0."""
    run, *first = text.split()
    return Place(run, int(first[0]) if first else 0)


def record_place(folder: Path, library: str, section: str, address: int, place: Place) -> Place:
    """Record a place; the one that counts: the first writer wins. Atomic."""
    record = _record(folder, library, section, address)
    record.parent.mkdir(parents=True, exist_ok=True)
    fresh = record.with_name(f".{record.name}-{os.getpid()}")
    fresh.write_text(f"{place.run} {place.first}\n" if place.first else f"{place.run}\n", encoding="ascii")
    try:
        os.link(fresh, record)
    except FileExistsError:
        return parse_place(record.read_text(encoding="ascii"))
    finally:
        fresh.unlink()
    return place


def _record(folder: Path, library: str, section: str, address: int) -> Path:
    return folder / library / f"{section}-{address:x}"


def neighbours(windows: Iterable[Piece], inseparable: Collection[str]) -> Iterator[list[Piece]]:
    """Windows, in order of address, in groups that one run shall hold: libraries that never come alone and lie side by side."""
    group: list[Piece] = []
    for one in windows:
        last = group[-1] if group else None
        joined = (
            last is not None
            and last.rights == one.rights
            and last.address + len(last.data) == one.address
            and last.library in inseparable
            and one.library in inseparable
        )
        if group and not joined:
            yield group
            group = []
        group.append(one)
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
