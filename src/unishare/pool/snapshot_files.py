"""The snapshots that a pool's images have: found beside the manifests, like the images themselves, so a home can be moved or restored.

A snapshot lives as long as its file lies beside the manifest that it was taken of. What its image was rebuilt under is not one any
more, and one that cannot be read never was.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from unishare.errors import BadInputError, NotFoundError
from unishare.formats.bounded import MANIFEST_BYTES, read_file
from unishare.formats.image import MANIFEST_NAME
from unishare.formats.snapshot import Snapshot, snapshots_of


@dataclass(frozen=True)
class FoundSnapshot:
    """A snapshot and the file it is in."""

    file: Path
    snapshot: Snapshot


def living_snapshots(home_images: Path, outside: Iterable[str]) -> Iterator[FoundSnapshot]:
    """Those below a home's image folders, and in folders outside that can be seen."""
    linked = {link.resolve() for link in home_images.glob("*/*") if link.is_symlink()}
    for top in (home_images, *sorted(linked)):
        for folder, _, files in os.walk(top):
            if MANIFEST_NAME in files:
                yield from _beside(Path(folder) / MANIFEST_NAME)
    for place in outside:
        yield from _beside(Path(place) / MANIFEST_NAME)


def _beside(manifest: Path) -> Iterator[FoundSnapshot]:
    files = snapshots_of(manifest)
    with contextlib.suppress(OSError, BadInputError):
        image = hashlib.sha256(read_file(manifest, MANIFEST_BYTES)).hexdigest() if files else ""
        for file in files:
            with contextlib.suppress(BadInputError, NotFoundError):
                snapshot = Snapshot.read(file)
                if snapshot.image == image:
                    yield FoundSnapshot(file, snapshot)
