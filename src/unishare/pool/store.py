"""The pool's folder (docs/formats/manifest.md, "The pool"): adding runs and images, listing, verifying, collecting.

A run appears under its name only when all its bytes are on disk, so that a crash at any point leaves a usable pool. Writers and
the collector exclude each other by one lock; readers need none.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import ValidationError

from unishare.errors import BadInputError, NotFoundError
from unishare.formats.addresses import APP_BASE, PAGE
from unishare.formats.elf import ElfFile
from unishare.formats.image import ELF_NAME, JSON_NAME, MANIFEST_NAME, ImageFacts, ModuleReference
from unishare.formats.manifest import ElfReference, Extent, Manifest, RelocationRun
from unishare.formats.relocations import FRAME_RECORD
from unishare.pool import canonical
from unishare.pool.canonical import Place
from unishare.pool.frames import arrange
from unishare.pool.page_tables import PageTableCache
from unishare.pool.pieces import Piece, pieces_of, pieces_of_module
from unishare.pool.runs import Runs
from unishare.state import replace_file

FORMAT = "unishare-pool 1\n"


@dataclass(frozen=True)
class AddedImage:
    """An image that the pool keeps: a copy of its manifest, and the folder it came from."""

    id: str
    manifest: Manifest
    folder: Path


@dataclass(frozen=True)
class Statistics:
    """`pool stat`: bytes of all runs, and what the images would take without sharing."""

    images: int
    runs: int
    bytes: int
    bytes_without_sharing: int


class Pool:
    """An open pool. Make one with `create` or `open`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = FileLock(folder / "lock")
        self._runs = Runs(folder)
        self._page_tables = PageTableCache(folder, self._runs)

    @classmethod
    def create(cls, folder: Path) -> Pool:
        """Open a pool, making it where there is none."""
        if not (folder / "format").exists():
            for name in ("runs", "images", "canonical", "incoming", "tables"):
                (folder / name).mkdir(parents=True, exist_ok=True)
            replace_file(folder / "format", FORMAT.encode(), mode=0o444)
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> Pool:
        """Open a pool that is there."""
        try:
            text = (folder / "format").read_text(encoding="ascii")
        except FileNotFoundError:
            raise NotFoundError(f"{folder}: there is no pool", "unishare build makes one") from None
        except (OSError, UnicodeDecodeError) as error:
            raise BadInputError(f"{folder / 'format'}: {error}") from None
        if text != FORMAT:
            raise BadInputError(
                f"{folder / 'format'}: {text[:40]!r} is not {FORMAT!r}", "It is no pool, or one of another version."
            )
        return cls(folder)

    def add_run(self, data: bytes) -> str:
        """Store a run's bytes, whole pages; its name. Does nothing when it is there."""
        return self._runs.add(data)

    def run_file(self, run: str) -> Path:
        """Where a run is."""
        return self._runs.file(run)

    def read_run(self, run: str) -> bytes:
        """A run's bytes."""
        return self._runs.read(run)

    def add_image(self, folder: Path) -> Path:
        """Cut an image folder's ELF into runs and write its manifest; the manifest's path."""
        facts = read_facts(folder)
        with self._lock:
            manifest = self._aslr_manifest(folder, facts) if facts.modules else self._fixed_manifest(folder, facts)
            tables = self._page_tables.of(manifest, folder)
            if tables is not None:
                manifest = manifest.model_copy(update={"page_tables": tables})
            replace_file(folder / MANIFEST_NAME, manifest.to_text().encode())
            text = manifest.to_text().encode()
            name = _image_id(text)
            replace_file(self.folder / "images" / f"{name}.json", text, mode=0o444, incoming=self.folder / "incoming")
            replace_file(
                self.folder / "images" / f"{name}.folder",
                os.fsencode(folder.absolute()) + b"\n",
                mode=0o444,
                incoming=self.folder / "incoming",
            )
        return folder / MANIFEST_NAME

    def ensure_image(self, folder: Path) -> Path:
        """The manifest of an image folder, which is cut into runs unless the pool holds all that its manifest names."""
        return folder / MANIFEST_NAME if self.holds(folder) else self.add_image(folder)

    def images(self) -> list[AddedImage]:
        """The images that were added, by name."""
        found = []
        for file in (self.folder / "images").glob("*.json"):
            folder = file.with_suffix(".folder")
            where = Path(os.fsdecode(folder.read_bytes().removesuffix(b"\n"))) if folder.exists() else Path()
            found.append(AddedImage(file.stem, Manifest.read(file), where))
        return sorted(found, key=lambda one: (one.manifest.name, one.manifest.layout, one.id))

    def runs(self) -> dict[str, int]:
        """All runs and their bytes."""
        return {file.name: file.stat().st_size for file in sorted((self.folder / "runs").glob("??/*"))}

    def statistics(self) -> Statistics:
        """Count runs and bytes."""
        runs, images = self.runs(), self.images()
        alone = sum(extent.pages * PAGE for image in images for extent in image.manifest.extents if extent.run)
        return Statistics(len(images), len(runs), sum(runs.values()), alone)

    def damaged(self) -> Iterator[tuple[str, str]]:
        """Runs that are missing or not what their name says, with the reason."""
        # Before the runs: an image that is added meanwhile is then not missed, for its runs come first.
        named = {run for image in self.images() for run in image.manifest.runs}
        there = self.runs()
        for run in there:
            with self.run_file(run).open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            if digest != run:
                yield run, "its content does not have the hash that is its name"
            elif there[run] % PAGE or not there[run]:
                yield run, "it is not a number of pages"
        for run in sorted(named - there.keys()):
            yield run, "it is missing"

    def collect(self) -> tuple[int, int]:
        """Drop images whose folder was removed or rebuilt, and runs that no image names; (images, bytes) freed."""
        with self._lock:
            dropped = 0
            for image in self.images():
                if not _still_there(image):
                    (self.folder / "images" / f"{image.id}.json").unlink()
                    (self.folder / "images" / f"{image.id}.folder").unlink(missing_ok=True)
                    dropped += 1
            kept = {run for image in self.images() for run in image.manifest.runs}
            freed = 0
            for run, size in self.runs().items():
                if run not in kept:
                    self.run_file(run).unlink()
                    freed += size
            self._forget_canonical(kept)
            self._page_tables.forget(kept)
            _empty(self.folder / "incoming")
        return dropped, freed

    def _forget_canonical(self, kept: set[str]) -> None:
        for record in (self.folder / "canonical").glob("*/*"):
            if canonical.parse_place(record.read_text(encoding="ascii")).run not in kept:
                record.unlink()

    def holds(self, folder: Path) -> bool:
        """Whether an image was added and nothing of it is missing: a new link, and a run that was removed, make it false."""
        try:
            data = _read(folder / MANIFEST_NAME)
            runs = Manifest.parse(data, str(folder)).runs
        except (NotFoundError, BadInputError):
            return False
        return (self.folder / "images" / f"{_image_id(data)}.json").exists() and all(
            self.run_file(run).exists() for run in runs
        )

    def _fixed_manifest(self, folder: Path, facts: ImageFacts) -> Manifest:
        hashes = {library.name: library.hash for library in facts.libraries}
        pieces = pieces_of(folder / ELF_NAME, list(hashes))
        places = canonical.places(self.folder / "canonical", pieces, hashes, facts.inseparable, self.add_run)
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
        frames = arrange(facts.modules, private, _read(folder / facts.relocations.file))
        extents += [
            Extent(
                module=one.module, address=hex(one.address), pages=one.pages, rights=one.rights, run=None, frame=one.frame,
                library=one.library, section=one.section,
            )
            for one in frames.extents
        ]  # fmt: skip
        extents.sort(key=lambda one: (one.module or 0, one.start))
        table = next(one.value for one in ElfFile.read(folder / ELF_NAME).symbols() if one.name == "unishare_image_table")
        own = {
            "modules": [ModuleReference(**one.model_dump(include=set(ModuleReference.model_fields))) for one in facts.modules],
            "frames": [None if one is None else self.add_run(one) for one in frames.contents],
            "relocations": RelocationRun(
                run=self.add_run(frames.records + bytes(-len(frames.records) % PAGE)),
                count=len(frames.records) // FRAME_RECORD.size,
            ),
        }
        return _manifest(folder, facts, extents, hex(table), own)

    def _extents(self, piece: Piece, place: Place | None, module: int | None) -> Iterator[Extent]:
        """A piece as extents; where its pages are those at its place, the place is named."""
        pages = len(piece.data) // PAGE
        if pages and (place is None or not self.run_file(place.run).exists()):
            yield _extent(piece, 0, pages, self.add_run(piece.data), 0, module)
        elif pages and place is not None:
            for stretch in canonical.stretches(piece.data, self._pages(place, pages)):
                run, first = (place.run, place.first) if stretch.shared else (self.add_run(piece.data), 0)
                yield _extent(piece, stretch.at, stretch.pages, run, first + stretch.at, module)
        if piece.zero_pages:
            yield _extent(piece, len(piece.data) // PAGE, piece.zero_pages, None, 0, module)

    def _pages(self, place: Place, pages: int) -> bytes:
        with self.run_file(place.run).open("rb") as stream:
            stream.seek(place.first * PAGE)
            return stream.read(pages * PAGE)


def read_facts(folder: Path) -> ImageFacts:
    """An image folder's `image.json`."""
    file = folder / JSON_NAME
    try:
        return ImageFacts.model_validate_json(_read(file))
    except ValidationError as error:
        detail = error.errors()[0]
        where = ".".join(str(part) for part in detail["loc"])
        raise BadInputError(f"{file}: {where}: {detail['msg']}", "Build the image again.") from None


def _manifest(
    folder: Path, facts: ImageFacts, extents: list[Extent], image_table: str, own: Mapping[str, Any] | None = None
) -> Manifest:
    """A manifest; `own` holds what only the layout aslr has."""
    data = _read(folder / ELF_NAME)
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


def _still_there(image: AddedImage) -> bool:
    """Whether the folder that an image came from still holds this very manifest."""
    file = image.folder / MANIFEST_NAME
    return file.is_file() and _image_id(file.read_bytes()) == image.id


def _image_id(manifest: bytes) -> str:
    return hashlib.sha256(manifest).hexdigest()[:16]


def _empty(folder: Path) -> None:
    """Remove what writers that were killed have left."""
    for left in folder.iterdir():
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise NotFoundError(
            f"{file}: no such file", "An image folder holds image.elf and image.json; 'unishare build' makes one."
        ) from None
    except OSError as error:
        raise BadInputError(f"{file}: {error.strerror}") from None
