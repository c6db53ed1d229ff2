"""Cutting an image: its ELF file or modules into runs of the pool, and the manifest that names them.

In: an image folder and its facts. Out: a `Manifest`. The store calls this with the pool's lock held.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from unishare.errors import BadInputError
from unishare.formats.addresses import APP_BASE, PAGE
from unishare.formats.bounded import ELF_BYTES, RELOCATION_BYTES
from unishare.formats.elf import ElfFile
from unishare.formats.image import ELF_NAME, ImageFacts, ModuleReference, read_facts, read_part
from unishare.formats.manifest import ElfReference, Extent, Manifest, RelocationRun
from unishare.formats.relocations import FRAME_RECORD
from unishare.pool import canonical
from unishare.pool.canonical import Place
from unishare.pool.frames import arrange
from unishare.pool.pieces import Piece, pieces_of, pieces_of_module
from unishare.pool.runs import RunFiles


class Cutter:
    """Cuts images into the runs of one pool."""

    def __init__(self, pool: Path, runs: RunFiles) -> None:
        self._canonical = pool / "canonical"
        self._runs = runs

    def manifest(self, folder: Path) -> Manifest:
        """An image folder's manifest, but for its page tables; all runs that it names are in the pool."""
        facts = read_facts(folder)
        try:
            return self._aslr_manifest(folder, facts) if facts.modules else self._fixed_manifest(folder, facts)
        except ValidationError as error:
            detail = error.errors()[0]
            where = ".".join(str(part) for part in detail["loc"])
            raise BadInputError(
                f"{folder}: no image: {where}{': ' if where else ''}{detail['msg'].removeprefix('Value error, ')}",
                "Only what 'unishare build' links can be added.",
            ) from None

    def _fixed_manifest(self, folder: Path, facts: ImageFacts) -> Manifest:
        hashes = {library.name: library.hash for library in facts.libraries}
        pieces = pieces_of(folder / ELF_NAME, list(hashes))
        places = canonical.places(self._canonical, pieces, hashes, facts.inseparable, self._runs)
        extents = [extent for piece in pieces for extent in self._extents(piece, places.get(piece.address), None)]
        return _manifest(folder, facts, extents, hex(APP_BASE))

    def _aslr_manifest(self, folder: Path, facts: ImageFacts) -> Manifest:
        assert facts.modules is not None and facts.relocations is not None
        extents: list[Extent] = []
        private: list[tuple[int, Piece]] = []
        for number, module in enumerate(facts.modules):
            for piece in pieces_of_module(folder / module.file, module.name if number else None):
                if piece.section == "linkage" or piece.rights == "rw-":
                    private.append((number, piece))
                else:
                    extents += self._extents(piece, None, number)
        frames = arrange(facts.modules, private, read_part(folder / facts.relocations.file, RELOCATION_BYTES))
        extents += [
            Extent(
                module=extent.module, address=hex(extent.address), pages=extent.pages, rights=extent.rights, run=None,
                frame=extent.frame, library=extent.library, section=extent.section,
            )
            for extent in frames.extents
        ]  # fmt: skip
        extents.sort(key=lambda extent: (extent.module or 0, extent.start))
        symbols = ElfFile.read(folder / ELF_NAME).symbols()
        table = next((symbol.value for symbol in symbols if symbol.name == "unishare_image_table"), None)
        if table is None:
            raise BadInputError(f"{folder / ELF_NAME}: has no image table", "Only what 'unishare build' links can be added.")
        own = {
            "modules": [
                ModuleReference(**placed.model_dump(include=set(ModuleReference.model_fields))) for placed in facts.modules
            ],
            "frames": [None if content is None else self._runs.add(content) for content in frames.contents],
            "relocations": RelocationRun(
                run=self._runs.add(frames.records + bytes(-len(frames.records) % PAGE)),
                count=len(frames.records) // FRAME_RECORD.size,
            ),
        }
        return _manifest(folder, facts, extents, hex(table), own)

    def _extents(self, piece: Piece, place: Place | None, module: int | None) -> Iterator[Extent]:
        """A piece as extents; where its pages are those at its place, the place is named."""
        pages = len(piece.data) // PAGE
        if pages and (place is None or not self._runs.is_intact(place.run)):
            yield _extent(piece, 0, pages, self._runs.add(piece.data), 0, module)
        elif pages and place is not None:
            for stretch in canonical.stretches(piece.data, self._pages(place, pages)):
                run, first = (place.run, place.first) if stretch.shared else (self._runs.add(piece.data), 0)
                yield _extent(piece, stretch.at, stretch.pages, run, first + stretch.at, module)
        if piece.zero_pages:
            yield _extent(piece, len(piece.data) // PAGE, piece.zero_pages, None, 0, module)

    def _pages(self, place: Place, pages: int) -> bytes:
        with self._runs.file(place.run).open("rb") as stream:
            stream.seek(place.first * PAGE)
            return stream.read(pages * PAGE)


def _manifest(
    folder: Path, facts: ImageFacts, extents: list[Extent], image_table: str, own: Mapping[str, Any] | None = None
) -> Manifest:
    """A manifest; `own` holds what only the layout aslr has."""
    data = read_part(folder / ELF_NAME, ELF_BYTES)
    entry = ElfFile(data, str(folder / ELF_NAME)).entry
    return Manifest.model_validate(
        {
            "name": facts.name,
            "layout": facts.layout,
            "abi": facts.abi,
            "entry": hex(entry),
            "elf": ElfReference(file=ELF_NAME, sha256=hashlib.sha256(data).hexdigest()),
            "image_table": image_table,
            "stack": facts.stack,
            "heap": facts.heap,
            "argv": facts.argv,
            "env": facts.env,
            "state": facts.state,
            "libraries": facts.libraries,
            "extents": extents,
            **(own or {}),
        }
    )


def _extent(piece: Piece, at: int, pages: int, run: str | None, first: int, module: int | None) -> Extent:
    section = piece.section if run is not None else "bss"
    return Extent(
        module=module, address=hex(piece.address + at * PAGE), pages=pages, rights=piece.rights, run=run, first=first,
        library=piece.library, section=section,
    )  # fmt: skip
