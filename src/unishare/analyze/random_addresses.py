"""What an image of random addresses shares, library by library, and what each of its instances has for itself.

In: a manifest and its relocation records. Counted from extents: pages that the loader writes addresses into are an instance's own
from its start; writable pages of the pool are shared until the guest writes them; all others are shared for good.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from unishare.pool.manifest import Extent, Manifest
from unishare.pool.relocations import RECORD
from unishare.pool.store import Pool
from unishare.toolchain.address_space import PAGE


@dataclass(frozen=True)
class LibraryShare:
    """One module's pages, and how many places in it the loader fills in."""

    library: str
    shared_code: int
    private_code: int
    shared_constants: int
    # Tables and constants that hold addresses: read-only for the guest, written by the loader.
    private_constants: int
    # Writable: what is a page of the pool until it is written, what the loader writes at once, what is zeros.
    shared_data: int
    private_data: int
    zeros: int
    relocations: int


@dataclass(frozen=True)
class Totals:
    """All modules together; fractions are of bytes, in whole pages."""

    shared_pages: int
    private_pages: int
    relocations: int
    shared_code: float
    shared_read_only: float


def shares(manifest: Manifest, pool: Pool) -> list[LibraryShare]:
    """A line for each module of an `aslr` image, the app's first."""
    if manifest.modules is None or manifest.relocations is None:
        return []
    records = pool.read_run(manifest.relocations.run)[: manifest.relocations.count * RECORD.size]
    relocations = Counter(module for module, *_ in RECORD.iter_unpack(records))
    return [
        _share(module.name, [one for one in manifest.extents if one.module == number], relocations[number])
        for number, module in enumerate(manifest.modules)
    ]


def totals(rows: Sequence[LibraryShare]) -> Totals:
    """Sums, and the two fractions that say whether random addresses leave memory shared."""
    code, constants = sum(row.shared_code for row in rows), sum(row.shared_constants for row in rows)
    private_code, private = sum(row.private_code for row in rows), sum(row.private_constants for row in rows)
    read_only = code + constants + private_code + private
    return Totals(
        shared_pages=code + constants,
        private_pages=private_code + private + sum(row.private_data for row in rows),
        relocations=sum(row.relocations for row in rows),
        shared_code=code / max(1, code + private_code),
        shared_read_only=(code + constants) / max(1, read_only),
    )


def as_json(rows: Sequence[LibraryShare]) -> dict[str, Any]:
    """For programs."""
    return {"page_bytes": PAGE, "libraries": [asdict(row) for row in rows], "totals": asdict(totals(rows))}


def _share(name: str, extents: Sequence[Extent], relocations: int) -> LibraryShare:
    def pages(rights: str, *, relocated: bool) -> int:
        return sum(one.pages for one in extents if (one.rights, one.relocated) == (rights, relocated) and one.run is not None)

    return LibraryShare(
        library=name,
        shared_code=pages("r-x", relocated=False),
        private_code=pages("r-x", relocated=True),
        shared_constants=pages("r--", relocated=False),
        private_constants=pages("r--", relocated=True),
        shared_data=pages("rw-", relocated=False),
        private_data=pages("rw-", relocated=True),
        zeros=sum(one.pages for one in extents if one.run is None),
        relocations=relocations,
    )
