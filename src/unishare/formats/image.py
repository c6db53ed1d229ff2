"""What the linker hands to the pool: `image.elf` and `image.json` (docs/formats/image.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

ABI = 0x00010001
ELF_NAME = "image.elf"
JSON_NAME = "image.json"
MANIFEST_NAME = "manifest.json"


class LibraryReference(BaseModel):
    """A library of an image: which version of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    version: str
    hash: str


class ModuleReference(BaseModel):
    """A module of an `aslr` image: its file in the image folder, and its span in pages, holes included."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    hash: str
    pages: int
    file: str


class PlacedModule(ModuleReference):
    """A module with its places in the frames that libraries share (frame_space.py), in bytes; None: frames of its own."""

    linkage: int | None = None
    writable: int | None = None


class RelocationsReference(BaseModel):
    """The relocations of an `aslr` image: a file of 24-byte records in the image folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    count: int


class ImageFacts(BaseModel):
    """`image.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["unishare-image"] = "unishare-image"
    version: Literal[1] = 1
    name: str
    layout: str
    abi: int = ABI
    libraries: list[LibraryReference]
    inseparable: list[str] = []
    argv: list[str]
    env: dict[str, str]
    heap: int
    stack: int
    state: Literal["none"] | None = None
    modules: list[PlacedModule] | None = None
    relocations: RelocationsReference | None = None

    def write(self, folder: Path) -> None:
        """Write it into an image folder."""
        (folder / JSON_NAME).write_text(self.model_dump_json(indent=2, exclude_none=True) + "\n", encoding="utf-8")
