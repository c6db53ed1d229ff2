"""What the linker hands to the pool: `image.elf` and `image.json` (docs/formats/image.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from unishare.errors import BadInputError, NotFoundError
from unishare.formats import strict_json
from unishare.formats.bounded import FACTS_BYTES, read_file

ABI = 0x00010001
ELF_NAME = "image.elf"
JSON_NAME = "image.json"
MANIFEST_NAME = "manifest.json"
# 512 MiB (manifest/check.rs).
MAX_MODULE_PAGES = 1 << 17


Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def _beside(path: str) -> str:
    if not path or path.startswith("/") or "\0" in path or ".." in path.split("/"):
        raise ValueError(f"{path!r} is not a file in the image's own folder")
    return path


# Not Literal[1], which 1.0 and true equal.
FormatVersion = Annotated[int, Field(strict=True, ge=1, le=1)]
FileBeside = Annotated[str, AfterValidator(_beside)]


class LibraryReference(BaseModel):
    """A library of an image: which version of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    version: str
    hash: Digest


class ModuleReference(BaseModel):
    """A module of an `aslr` image: its file in the image folder, and its span in pages, holes included."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    hash: Digest
    pages: Annotated[int, Field(ge=1, le=MAX_MODULE_PAGES)]
    file: FileBeside


class PlacedModule(ModuleReference):
    """A module with its places in the frames that libraries share (frame_space.py), in bytes; None: frames of its own."""

    linkage: Annotated[int, Field(ge=0, lt=1 << 40)] | None = None
    writable: Annotated[int, Field(ge=0, lt=1 << 40)] | None = None


class RelocationsReference(BaseModel):
    """The relocations of an `aslr` image: a file of 24-byte records in the image folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: FileBeside
    count: int


class ImageFacts(BaseModel):
    """`image.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["unishare-image"] = "unishare-image"
    version: FormatVersion = 1
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


def read_facts(folder: Path) -> ImageFacts:
    """An image folder's `image.json`."""
    file = folder / JSON_NAME
    try:
        data = read_part(file, FACTS_BYTES)
        strict_json.check(data)
        return ImageFacts.model_validate_json(data, strict=True)
    except ValidationError as error:
        detail = error.errors()[0]
        where = ".".join(str(part) for part in detail["loc"])
        raise BadInputError(f"{file}: {where}: {detail['msg']}", "Build the image again.") from None
    except ValueError as error:  # of the decoding
        raise BadInputError(f"{file}: {error}", "Build the image again.") from None


def read_part(file: Path, limit: int) -> bytes:
    """A file of an image folder."""
    try:
        return read_file(file, limit)
    except FileNotFoundError:
        raise NotFoundError(
            f"{file}: no such file", "An image folder holds image.elf and image.json; 'unishare build' makes one."
        ) from None
    except OSError as error:
        raise BadInputError(f"{file}: {error.strerror}") from None
