"""What an image of random addresses shares, library by library, and what each of its instances has for itself.

In: a manifest. Text and constants are pool pages, shared for good. Tables of addresses and data are frames, each instance's own; one
frame is counted once, however many libraries it holds something of, because it is in memory once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from unishare.formats.addresses import PAGE
from unishare.formats.manifest import Extent, Manifest


@dataclass(frozen=True)
class LibraryShare:
    """One module's pages by what they are. `frames`: which of the instance's own frames its tables and data lie in."""

    library: str
    shared_code: int
    shared_constants: int
    private_code: int
    tables: int
    data: int
    frames: tuple[int, ...]


@dataclass(frozen=True)
class Totals:
    """All modules together, in page frames; fractions are of bytes."""

    shared_pages: int
    read_only_frames: int
    writable_frames: int
    relocations: int
    shared_code: float
    shared_read_only: float


def shares(manifest: Manifest) -> list[LibraryShare]:
    """A line for each module of an `aslr` image, the app's first."""
    return [
        _share(module.name, [extent for extent in manifest.extents if extent.module == number])
        for number, module in enumerate(manifest.modules or [])
    ]


def totals(manifest: Manifest) -> Totals:
    """Sums, and the two fractions that say whether random addresses leave memory shared."""
    rows = shares(manifest)
    code, constants = sum(row.shared_code for row in rows), sum(row.shared_constants for row in rows)
    private_code = sum(row.private_code for row in rows)
    read_only = {frame for extent in manifest.extents if extent.rights == "r--" for frame in extent.frames}
    return Totals(
        shared_pages=code + constants,
        read_only_frames=len(read_only),
        writable_frames=len(manifest.frames or []) - len(read_only),
        relocations=manifest.relocations.count if manifest.relocations else 0,
        shared_code=code / max(1, code + private_code),
        shared_read_only=(code + constants) / max(1, code + constants + private_code + len(read_only)),
    )


def as_json(manifest: Manifest) -> dict[str, Any]:
    """For programs."""
    return {"page_bytes": PAGE, "libraries": [asdict(row) for row in shares(manifest)], "totals": asdict(totals(manifest))}


def _share(name: str, extents: Sequence[Extent]) -> LibraryShare:
    def pages(rights: str, *, pooled: bool) -> int:
        return sum(extent.pages for extent in extents if extent.rights == rights and (extent.run is not None) == pooled)

    return LibraryShare(
        library=name,
        shared_code=pages("r-x", pooled=True),
        shared_constants=pages("r--", pooled=True),
        private_code=pages("r-x", pooled=False),
        tables=pages("r--", pooled=False),
        data=pages("rw-", pooled=False) + pages("rw-", pooled=True),
        frames=tuple(sorted({frame for extent in extents for frame in extent.frames})),
    )
