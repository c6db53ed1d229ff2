"""Where pages of snapshots are in the pool: by what they hold, so that equal pages of different snapshots are stored once.

In: pages in the order of their addresses. Out: stretches of pages that follow each other in a run as they do in memory, because the
kernel keeps a record for each mapping. Pages that no snapshot had before go into one run, side by side.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from unishare.formats.addresses import PAGE
from unishare.formats.snapshot import PageStretch
from unishare.pool.runs import RunFiles

# A page's place: a run, and the page in it.
Place = tuple[str, int]
_RECORD = re.compile(rb"([0-9a-f]{64}) ([0-9]{1,9})\n")


class PageIndex:
    """The folder `pages` of a pool: a file for each page, named by its hash, that says where the page is."""

    def __init__(self, pool: Path, runs: RunFiles) -> None:
        self._folder = pool / "pages"
        self._runs = runs

    def store(self, pages: Sequence[tuple[int, bytes]]) -> list[PageStretch]:
        """Put pages (address and bytes, ascending) into the pool."""
        names = [hashlib.sha256(data).hexdigest() for _, data in pages]
        places = {name: place for name in set(names) if (place := self._find(name)) is not None}
        fresh = dict.fromkeys(name for name in names if name not in places)
        if fresh:
            content = {name: data for name, (_, data) in zip(names, pages, strict=True) if name in fresh}
            run = self._runs.add(b"".join(content[name] for name in fresh))
            for number, name in enumerate(fresh):
                places[name] = (run, number)
                self._record(name, (run, number))
        return _stretches([(address, places[name]) for (address, _), name in zip(pages, names, strict=True)])

    def forget(self, live_runs: set[str]) -> None:
        """Drop records of runs that were collected."""
        for record in self._folder.glob("??/*"):
            place = _read(record)
            if place is None or place[0] not in live_runs:
                record.unlink()

    def _find(self, name: str) -> Place | None:
        """A page's place, if what is there is still that page."""
        place = _read(self._file(name))
        if place is None:
            return None
        run, number = place
        try:
            with self._runs.file(run).open("rb") as stream:
                stream.seek(number * PAGE)
                found = hashlib.sha256(stream.read(PAGE)).hexdigest()
        except OSError:
            return None
        return place if found == name else None

    def _record(self, name: str, place: Place) -> None:
        # Not synced: what is lost or torn is found out when it is read, and costs a page that is stored twice.
        file = self._file(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{place[0]} {place[1]}\n", encoding="ascii")

    def _file(self, name: str) -> Path:
        return self._folder / name[:2] / name


def _read(record: Path) -> Place | None:
    """A record's place; None when there is none or it is damaged."""
    try:
        found = _RECORD.fullmatch(record.read_bytes())
    except OSError:
        return None
    return (found[1].decode(), int(found[2])) if found else None


def _stretches(pages: Sequence[tuple[int, Place]]) -> list[PageStretch]:
    """Join pages that follow each other in memory and in a run."""
    stretches: list[PageStretch] = []
    for address, (run, number) in pages:
        last = stretches[-1] if stretches else None
        if last is not None and (last.end, last.run, last.first + last.pages) == (address, run, number):
            stretches[-1] = last.model_copy(update={"pages": last.pages + 1})
        else:
            stretches.append(PageStretch(address=hex(address), pages=1, run=run, first=number))
    return stretches
