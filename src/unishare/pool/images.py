"""The images that a pool knows (docs/formats/manifest.md, "The pool"): a copy of each manifest, and which of them still live.

A pool lies in a home beside the folder `images`, and knows what that folder holds by looking into it: no record names a place there,
so a home may be moved, copied, restored or mounted elsewhere. An image from outside the home has a record of the folders it was
added from, and lives until it is forgotten, for that its folder cannot be seen says nothing: it may be moved, or not mounted.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from unishare.errors import BadInputError, NotFoundError
from unishare.formats.bounded import MANIFEST_BYTES, read_file
from unishare.formats.image import MANIFEST_NAME
from unishare.formats.manifest import Manifest
from unishare.state import read_record, replace_file, write_record

_ID_LENGTH = 16


@dataclass(frozen=True)
class AddedImage:
    """An image that the pool keeps. `outside`: the folders outside the home that it was added from; () for one of the home."""

    id: str
    manifest: Manifest
    outside: tuple[str, ...]


class Images:
    """The folder `images` of a pool. Who writes holds the pool's lock."""

    def __init__(self, pool: Path) -> None:
        self._folder = pool / "images"
        self._incoming = pool / "incoming"
        self._home = pool.parent / "images"

    def record(self, manifest: bytes, folder: Path, *, in_home: bool) -> None:
        """Keep a copy of a manifest, and of an image outside the home its folder: one folder holds one image at a time."""
        name = image_id(manifest)
        replace_file(self._copy(name), manifest, mode=0o444, incoming=self._incoming)
        if in_home:
            return
        place = os.fsdecode(folder.resolve())
        for other in self._outside_names():
            if place in self._outside(other):
                self._set_outside(other, [known for known in self._outside(other) if known != place])
        self._set_outside(name, [*self._outside(name), place])

    def is_of_home(self, folder: Path) -> bool:
        """Whether an image folder lies in the home's own `images`."""
        return folder.resolve().is_relative_to(self._home.resolve())

    def has(self, manifest: bytes) -> bool:
        """Whether a manifest was added, and its copy is whole."""
        return self._read(image_id(manifest)) == manifest

    def all(self) -> list[AddedImage]:
        """The images that were added, by name; a damaged copy is none, and comes back with the next build."""
        found = []
        for file in self._folder.glob("*.json"):
            data = self._read(file.stem)
            if data is not None:
                found.append(AddedImage(file.stem, Manifest.parse(data, str(file)), self._outside(file.stem)))
        return sorted(found, key=lambda image: (image.manifest.name, image.manifest.layout, image.id))

    def living(self) -> dict[str, Manifest]:
        """The images whose runs are in use, by id: what the home's image folders hold, added or not, and what is outside."""
        found = dict(self._in_home())
        found.update({name: Manifest.parse(data, name) for name in self._outside_names() if (data := self._restored(name))})
        return found

    def is_home_out_of_sight(self) -> bool:
        """Whether the home's images are not there at all though some were added: a file system is not mounted, or all were removed."""
        return not any(self._in_home()) and any(not self._outside(file.stem) for file in self._folder.glob("*.json"))

    def drop_dead(self, living: Collection[str]) -> int:
        """Remove the copies of images that do not live; how many."""
        dead = [file for file in self._folder.glob("*.json") if file.stem not in living]
        for file in dead:
            file.unlink()
        for place in [*self._folder.glob("*.outside"), *self._folder.glob("*.folder")]:
            if not place.with_suffix(".json").exists() or place.suffix == ".folder":
                place.unlink()
        return len(dead)

    def adopt_old_records(self) -> None:
        """Pools of before noted the folder of every image: one that is not a home's image folder is outside."""
        for file in self._folder.glob("*.folder"):
            data = self._read(file.stem)
            place = Path(os.fsdecode(file.read_bytes().removesuffix(b"\n")))
            if data is not None:
                manifest = Manifest.parse(data, str(file))
                if place.parts[-3:] != ("images", manifest.layout, manifest.name):
                    self._set_outside(file.stem, [str(place)])

    def forget(self, name: str) -> list[AddedImage]:
        """Let go of images from outside the home, by id, name or folder; those that were."""
        chosen = [image for image in self.all() if image.outside and name in (image.id, image.manifest.name, *image.outside)]
        if not chosen:
            raise NotFoundError(
                f"{name}: no image from outside this home has this id, name or folder",
                "'unishare pool ls' lists them; an image of the home itself is dropped when its folder is removed.",
            )
        for image in chosen:
            self._set_outside(image.id, [])
        return chosen

    def _in_home(self) -> Iterator[tuple[str, Manifest]]:
        """Ids and manifests below the home's `images`; links to folders elsewhere are followed where an app's folder would be."""
        linked = {link.resolve() for link in self._home.glob("*/*") if link.is_symlink()}
        for top in (self._home, *sorted(linked)):
            for folder, _, files in os.walk(top):
                file = Path(folder) / MANIFEST_NAME
                if MANIFEST_NAME in files:
                    # From one that cannot be read nothing runs, and the next build makes it again.
                    with contextlib.suppress(OSError, BadInputError):
                        data = read_file(file, MANIFEST_BYTES)
                        yield image_id(data), Manifest.parse(data, str(file))

    def _copy(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _read(self, name: str) -> bytes | None:
        """A copy, which its own name checks."""
        try:
            data = self._copy(name).read_bytes()
        except OSError:
            return None
        return data if image_id(data) == name else None

    def _restored(self, name: str) -> bytes | None:
        """A copy of an image outside, taken again from its folder where it is damaged and the folder can be seen."""
        data = self._read(name)
        for place in self._outside(name) if data is None else ():
            with contextlib.suppress(OSError, BadInputError):
                found = read_file(Path(place) / MANIFEST_NAME, MANIFEST_BYTES)
                if image_id(found) == name:
                    replace_file(self._copy(name), found, mode=0o444, incoming=self._incoming)
                    return found
        return data

    def _outside_names(self) -> list[str]:
        return sorted(file.stem for file in self._folder.glob("*.outside"))

    def _outside(self, name: str) -> tuple[str, ...]:
        file = self._folder / f"{name}.outside"
        record = read_record(file)
        if record is not None:
            return tuple(json.loads(record))
        # A damaged record says that there was a folder, and no more: the image lives until it is forgotten.
        return ("(unknown)",) if file.exists() else ()

    def _set_outside(self, name: str, places: list[str]) -> None:
        file = self._folder / f"{name}.outside"
        if places:
            write_record(file, json.dumps(places).encode())
        else:
            file.unlink(missing_ok=True)


def image_id(manifest: bytes) -> str:
    """What an image is called in the pool: the beginning of its manifest's digest."""
    return hashlib.sha256(manifest).hexdigest()[:_ID_LENGTH]
