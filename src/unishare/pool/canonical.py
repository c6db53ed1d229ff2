"""Equal pages of unequal windows: a library window that differs in a few pages still shares the others.

The first run that a library version's section had is its canonical one, for ever. A later image whose window differs is cut:
stretches of equal pages point into that run, the others into a run of their own. Bytes decide, nothing is assumed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unishare.toolchain.address_space import PAGE


@dataclass(frozen=True)
class Stretch:
    """`pages` pages from page `first` of a run, or of the window's own bytes (`shared` false), at page `at` of the window."""

    at: int
    pages: int
    shared: bool


def canonical_run(folder: Path, library: str, section: str, run: str) -> str:
    """The canonical run of a library version's section: the recorded one, or this one, recorded now. Atomic: the first writer wins."""
    record = folder / library / section
    try:
        return record.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        record.parent.mkdir(parents=True, exist_ok=True)
    fresh = record.with_name(f".{section}-{os.getpid()}")
    fresh.write_text(run + "\n", encoding="ascii")
    try:
        os.link(fresh, record)
    except FileExistsError:
        return record.read_text(encoding="ascii").strip()
    finally:
        fresh.unlink()
    return run


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
