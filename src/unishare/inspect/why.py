"""What spoils equality: pages of a library's read-only windows that are not the canonical ones, and the symbol whose bytes differ."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unishare.formats.addresses import PAGE
from unishare.formats.elf import SHT_SYMTAB, ElfFile, Symbol
from unishare.formats.manifest import Extent, Manifest
from unishare.pool.canonical import Place, place_of
from unishare.pool.store import Pool


@dataclass(frozen=True)
class UnequalPage:
    """One page: where it first differs, which symbol lies there, and the 32-bit words in this image and in the canonical run."""

    address: str
    library: str
    section: str
    offset: str
    symbol: str
    here: str
    there: str


def unequal_pages(manifest: Manifest, pool: Pool, folder: Path) -> tuple[list[UnequalPage], int]:
    """The unequal pages, and how many read-only library pages there are in all."""
    hashes = {library.name: library.hash for library in manifest.libraries}
    elf = folder / manifest.elf.file
    symbols = sorted(ElfFile.read(elf).symbol_table(SHT_SYMTAB), key=lambda symbol: symbol.value) if elf.is_file() else []
    # Extents are in order of address, so the first one of a section is where its window starts.
    windows: dict[tuple[str | None, str], int] = {}
    for extent in manifest.extents:
        windows.setdefault((extent.library, extent.section), extent.start)
    found: list[UnequalPage] = []
    total = 0
    for extent in manifest.extents:
        if extent.library is None or extent.rights == "rw-" or extent.run is None:
            continue
        total += extent.pages
        start = windows[extent.library, extent.section]
        canonical = place_of(pool.folder / "canonical", hashes[extent.library], extent.section, start)
        if canonical is not None and canonical.run != extent.run:
            found += [_explain(extent, page, pool, canonical, symbols) for page in range(extent.pages)]
    return found, total


def _explain(extent: Extent, page: int, pool: Pool, canonical: Place, symbols: list[Symbol]) -> UnequalPage:
    assert extent.run is not None and extent.library is not None
    own, other = (
        pool.read_run(run)[at * PAGE : (at + 1) * PAGE]
        # A window's own run begins with the window.
        for run, at in ((extent.run, extent.first + page), (canonical.run, canonical.first + extent.first + page))
    )
    place = next((index for index in range(0, PAGE, 4) if own[index : index + 4] != other[index : index + 4]), 0)
    address = extent.start + page * PAGE
    return UnequalPage(
        address=hex(address),
        library=extent.library,
        section=extent.section,
        offset=hex(address + place),
        symbol=_symbol_at(symbols, address + place),
        here=own[place : place + 4].hex(),
        there=other[place : place + 4].hex(),
    )


def _symbol_at(symbols: list[Symbol], address: int) -> str:
    below = [symbol for symbol in symbols if symbol.name and symbol.value <= address]
    return f"{below[-1].name}+{address - below[-1].value:#x}" if below else "?"
