"""The pool's folder (docs/formats/manifest.md, "The pool"): adding runs and images, listing, verifying, collecting.

A run appears under its name only when all its bytes are on disk, so that a crash at any point leaves a usable pool. Writers and
the collector exclude each other by one lock; readers need none.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from pydantic import ValidationError

from unishare.errors import BadInputError, NotFoundError
from unishare.pool import canonical
from unishare.pool.manifest import NAME as MANIFEST
from unishare.pool.manifest import ElfReference, Extent, Manifest, RelocationRun
from unishare.pool.page_tables import PageTableCache
from unishare.pool.pieces import Piece, pieces_of, pieces_of_module
from unishare.pool.relocations import pages_written
from unishare.toolchain.address_space import APP_BASE, PAGE
from unishare.toolchain.elf import ElfFile
from unishare.toolchain.image import ELF_NAME, JSON_NAME, ImageFacts

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
        self._page_tables = PageTableCache(folder)

    @classmethod
    def create(cls, folder: Path) -> Pool:
        """Open a pool, making it where there is none."""
        if not (folder / "format").exists():
            for name in ("runs", "images", "canonical", "incoming", "tables"):
                (folder / name).mkdir(parents=True, exist_ok=True)
            _write_whole(folder / "format", FORMAT.encode(), folder / "incoming")
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
        name = hashlib.sha256(data).hexdigest()
        file = self.run_file(name)
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            _write_whole(file, data, self.folder / "incoming")
        return name

    def run_file(self, run: str) -> Path:
        """Where a run is."""
        return self.folder / "runs" / run[:2] / run

    def read_run(self, run: str) -> bytes:
        """A run's bytes."""
        try:
            return self.run_file(run).read_bytes()
        except OSError as error:
            raise BadInputError(f"{self.run_file(run)}: {error.strerror}", "Run 'unishare pool verify'.") from None

    def add_image(self, folder: Path) -> Path:
        """Cut an image folder's ELF into runs and write its manifest; the manifest's path."""
        facts = read_facts(folder)
        with self._lock:
            manifest = self._aslr_manifest(folder, facts) if facts.modules else self._fixed_manifest(folder, facts)
            tables = self._page_tables.of(manifest, folder, self)
            if tables is not None:
                manifest = manifest.model_copy(update={"page_tables": tables})
            manifest.write(folder / MANIFEST)
            text = manifest.to_text().encode()
            name = hashlib.sha256(text).hexdigest()[:16]
            _write_whole(self.folder / "images" / f"{name}.json", text, self.folder / "incoming")
            _write_whole(
                self.folder / "images" / f"{name}.folder", os.fsencode(folder.absolute()) + b"\n", self.folder / "incoming"
            )
        return folder / MANIFEST

    def ensure_image(self, folder: Path) -> Path:
        """The manifest of an image folder, which is cut into runs unless the pool holds all that its manifest names."""
        return folder / MANIFEST if self._holds(folder) else self.add_image(folder)

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
        there = self.runs()
        for run in there:
            with self.run_file(run).open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            if digest != run:
                yield run, "its content does not have the hash that is its name"
            elif there[run] % PAGE or not there[run]:
                yield run, "it is not a number of pages"
        for run in sorted({run for image in self.images() for run in image.manifest.runs} - there.keys()):
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
            if record.read_text(encoding="ascii").strip() not in kept:
                record.unlink()

    def _holds(self, folder: Path) -> bool:
        """Whether an image was added and nothing of it is missing: a new link, and a run that was removed, make it false."""
        try:
            data = _read(folder / MANIFEST)
            runs = Manifest.parse(data, str(folder)).runs
        except (NotFoundError, BadInputError):
            return False
        name = hashlib.sha256(data).hexdigest()[:16]
        return (self.folder / "images" / f"{name}.json").exists() and all(self.run_file(run).exists() for run in runs)

    def _fixed_manifest(self, folder: Path, facts: ImageFacts) -> Manifest:
        hashes = {library.name: library.hash for library in facts.libraries}
        pieces = pieces_of(folder / ELF_NAME, list(hashes))
        extents = [extent for piece in pieces for extent in self._extents(piece, hashes.get(piece.library or ""), None)]
        return _manifest(folder, facts, extents, hex(APP_BASE))

    def _aslr_manifest(self, folder: Path, facts: ImageFacts) -> Manifest:
        assert facts.modules is not None and facts.relocations is not None
        records = _read(folder / facts.relocations.file)
        extents: list[Extent] = []
        for number, module in enumerate(facts.modules):
            library = module.name if number else None
            for piece in pieces_of_module(folder / module.file, library, pages_written(records, number)):
                extents += self._extents(piece, None, number)
        table = next(one.value for one in ElfFile.read(folder / ELF_NAME).symbols() if one.name == "unishare_image_table")
        run = self.add_run(records + bytes(-len(records) % PAGE))
        relocations = RelocationRun(run=run, count=facts.relocations.count)
        return _manifest(folder, facts, extents, hex(table), relocations)

    def _extents(self, piece: Piece, library_hash: str | None, module: int | None) -> Iterator[Extent]:
        """A piece as extents; a library's read-only window through its canonical run."""
        if piece.data:
            run = self.add_run(piece.data)
            first_run = run
            if library_hash and piece.rights != "rw-":
                first_run = canonical.canonical_run(self.folder / "canonical", library_hash, piece.section, run)
            if first_run == run or not self.run_file(first_run).exists():
                yield _extent(piece, 0, len(piece.data) // PAGE, run, 0, module)
            else:
                for stretch in canonical.stretches(piece.data, self.read_run(first_run)):
                    yield _extent(piece, stretch.at, stretch.pages, first_run if stretch.shared else run, stretch.at, module)
        if piece.zero_pages:
            yield _extent(piece, len(piece.data) // PAGE, piece.zero_pages, None, 0, module)


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
    folder: Path, facts: ImageFacts, extents: list[Extent], image_table: str, relocations: RelocationRun | None = None
) -> Manifest:
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
            "modules": facts.modules,
            "relocations": relocations,
            "extents": extents,
        }
    )


def _extent(piece: Piece, at: int, pages: int, run: str | None, first: int, module: int | None) -> Extent:
    section = piece.section if run is not None else "bss"
    return Extent(
        module=module, address=hex(piece.address + at * PAGE), pages=pages, rights=piece.rights, run=run, first=first,
        library=piece.library, section=section, relocated=piece.relocated and run is not None,
    )  # fmt: skip


def _still_there(image: AddedImage) -> bool:
    """Whether the folder that an image came from still holds this very manifest."""
    file = image.folder / MANIFEST
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest()[:16] == image.id


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


def _write_whole(file: Path, data: bytes, incoming: Path) -> None:
    """Write a file so that its name never stands for less than all its bytes."""
    descriptor, name = tempfile.mkstemp(dir=incoming)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
            os.fchmod(stream.fileno(), 0o444)
        Path(name).rename(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
