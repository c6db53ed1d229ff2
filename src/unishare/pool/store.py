"""The pool's folder (docs/formats/manifest.md, "The pool"): adding runs and images, listing, verifying, collecting.

A run appears under its name only when all its bytes are on disk, so that a crash at any point leaves a usable pool. Writers and
the collector exclude each other by one lock; readers need none.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from unishare.errors import BadInputError, NotFoundError
from unishare.formats.addresses import PAGE
from unishare.formats.bounded import MANIFEST_BYTES
from unishare.formats.image import MANIFEST_NAME, read_part
from unishare.formats.manifest import Manifest
from unishare.formats.snapshot import PageStretch, Snapshot
from unishare.pool import canonical
from unishare.pool.cutting import Cutter
from unishare.pool.images import AddedImage, Images
from unishare.pool.page_index import PageIndex
from unishare.pool.page_tables import PageTableCache
from unishare.pool.runs import RunFiles
from unishare.pool.snapshot_files import FoundSnapshot, living_snapshots
from unishare.state import make_folder, replace_file, replace_folder
from unishare.unfinished import PREFIX, remove_abandoned

FORMAT = "unishare-pool 1\n"


@dataclass(frozen=True)
class PoolStatistics:
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
        self._runs = RunFiles(folder)
        self._page_tables = PageTableCache(folder, self._runs)
        self._cutter = Cutter(folder, self._runs)
        self._images = Images(folder)
        self._page_index = PageIndex(folder, self._runs)

    @classmethod
    def create(cls, folder: Path) -> Pool:
        """Open a pool, making it where there is none."""
        if _is_cut_short(folder / "format"):
            for name in ("runs", "images", "canonical", "incoming", "tables"):
                make_folder(folder / name)
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

    def has_run(self, run: str) -> bool:
        """Whether a run is there, undamaged."""
        return self._runs.is_intact(run)

    def read_run(self, run: str) -> bytes:
        """A run's bytes."""
        return self._runs.read(run)

    def add_image(self, folder: Path) -> Path:
        """Cut an image folder's ELF into runs and write its manifest; the manifest's path."""
        with self._lock:
            self._cut(folder, in_home=self._images.is_of_home(folder))
        return folder / MANIFEST_NAME

    def publish(self, fresh: Path, folder: Path) -> None:
        """Cut a finished image folder of the home that nobody sees yet, and put it in its place, in one step for readers.

        Both under the lock: the collector would otherwise find the new manifest in neither place.
        """
        with self._lock:
            self._cut(fresh, in_home=True)
            replace_folder(fresh, folder)

    def ensure_image(self, folder: Path) -> Path:
        """The manifest of an image folder, which is cut into runs unless the pool holds, undamaged, all that its manifest names."""
        return folder / MANIFEST_NAME if self.holds(folder) else self.add_image(folder)

    def images(self) -> list[AddedImage]:
        """The images that were added, by name."""
        return self._images.all()

    def locked(self) -> AbstractContextManager[object]:
        """Nothing is added or collected by others until the context ends."""
        return self._lock

    def store_pages(self, pages: Sequence[tuple[int, bytes]]) -> list[PageStretch]:
        """Put a snapshot's pages into runs. Under `locked` until the snapshot is in its place: a collection would drop them."""
        return self._page_index.store(pages)

    def with_page_tables(self, snapshots: Sequence[Snapshot], manifest: Path) -> list[Snapshot]:
        """Snapshots of a manifest, with page tables for where they lie. Under `locked`, as their pages."""
        return self._page_tables.of_snapshots(snapshots, manifest)

    def snapshots(self) -> list[FoundSnapshot]:
        """The snapshots of all images."""
        outside = {place for image in self.images() for place in image.outside}
        return list(living_snapshots(self.folder.parent / "images", sorted(outside)))

    def runs(self) -> dict[str, int]:
        """All runs and their bytes."""
        return self._runs.all()

    def statistics(self) -> PoolStatistics:
        """Count runs and bytes."""
        runs, images = self.runs(), self.images()
        alone = sum(extent.pages * PAGE for image in images for extent in image.manifest.extents if extent.run)
        return PoolStatistics(len(images), len(runs), sum(runs.values()), alone)

    def damaged(self) -> Iterator[tuple[str, str]]:
        """Runs that are missing or not what their name says, with the reason."""
        # Before the runs: an image that is added meanwhile is then not missed, for its runs come first.
        named = {run for image in self.images() for run in image.manifest.runs}
        named.update(run for found in self.snapshots() for run in found.snapshot.runs)
        for run in sorted(named | self.runs().keys()):
            fault = self._runs.fault(run)
            if fault is not None:
                yield run, fault

    def collect(self, *, even_if_home_is_empty: bool = False) -> tuple[int, int]:
        """Drop images that no folder holds any more, and runs that no image names; (images, bytes) freed.

        Refuses when the home holds no image at all though some were added: then more likely its disk is not mounted.
        """
        with self._lock:
            self._images.adopt_old_records()
            if not even_if_home_is_empty and self._images.is_home_out_of_sight():
                raise BadInputError(
                    f"{self.folder.parent / 'images'} holds no image, but images were built there: is it mounted?",
                    "If they were removed on purpose: unishare pool gc --even-if-empty",
                )
            living = self._images.living()
            dropped = self._images.drop_dead(living)
            live_runs = {run for manifest in living.values() for run in manifest.runs}
            live_runs.update(run for found in self.snapshots() for run in found.snapshot.runs)
            freed = 0
            for run, size in self.runs().items():
                if run not in live_runs:
                    self.run_file(run).unlink()
                    freed += size
            self._forget_canonical(live_runs)
            self._page_tables.forget(live_runs)
            self._page_index.forget(live_runs)
            _empty(self.folder / "incoming")
            freed += remove_abandoned(self._places_of_writers())
        return dropped, freed

    def forget(self, name: str) -> list[AddedImage]:
        """Let go of images from outside the home, by id, name or folder: the next collection frees them."""
        with self._lock:
            return self._images.forget(name)

    def holds(self, folder: Path) -> bool:
        """Whether an image was added and nothing of it is missing or damaged: a new link makes it false too."""
        try:
            data = read_part(folder / MANIFEST_NAME, MANIFEST_BYTES)
            runs = Manifest.parse(data, str(folder)).runs
        except (NotFoundError, BadInputError):
            return False
        return self._images.has(data) and all(self._runs.is_intact(run) for run in runs)

    def _cut(self, folder: Path, *, in_home: bool) -> None:
        manifest = self._cutter.manifest(folder)
        tables = self._page_tables.of(manifest, folder)
        if tables is not None:
            manifest = manifest.model_copy(update={"page_tables": tables})
        text = manifest.to_text().encode()
        # First the pool's copy: a manifest in a folder names only what the collector keeps.
        self._images.record(text, folder, in_home=in_home)
        replace_file(folder / MANIFEST_NAME, text)

    def _places_of_writers(self) -> Iterator[Path]:
        """Where images, snapshots and records grow beside what they will become."""
        home = self.folder.parent
        yield from (home, self.folder, self.folder / "images", home / "population")
        for folder, names, _ in os.walk(home / "images"):
            names[:] = [name for name in names if not name.startswith(PREFIX)]
            yield Path(folder)

    def _forget_canonical(self, live_runs: set[str]) -> None:
        for record in (self.folder / "canonical").glob("*/*"):
            place = canonical.read_place(record)
            if place is None or place.run not in live_runs or record.name.startswith(PREFIX):
                record.unlink()


def _empty(folder: Path) -> None:
    """Remove what writers that were killed have left."""
    for left in folder.iterdir():
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _is_cut_short(file: Path) -> bool:
    """Whether a pool's format is not, or not wholly, on disk: it is the last thing that making a pool writes."""
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        return True
    return len(text) < len(FORMAT) and FORMAT.encode().startswith(text)
