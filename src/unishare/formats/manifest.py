"""The manifest: an image's description file (docs/formats/manifest.md). This model is the format's source of truth.

Whatever contradicts itself is refused here, and again by the monitor, which trusts nobody.
"""

from __future__ import annotations

import json
import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, ValidationInfo, model_validator

from unishare.errors import BadInputError, NotFoundError
from unishare.formats import strict_json
from unishare.formats.addresses import APP_BASE, APP_END, LIBRARY_BASE, LIBRARY_END, PAGE, heap_limit
from unishare.formats.bounded import MANIFEST_BYTES, read_file
from unishare.formats.image import ABI, Digest, FileBeside, FormatVersion, LibraryReference, ModuleReference
from unishare.formats.layouts import LayoutName

HexAddress = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-f]{1,16}$")]
# As the monitor's (manifest/check.rs): both refuse the same.
MAX_EXTENTS, MAX_NAME_BYTES, MAX_MODULES = 16384, 128, 1024
Rights = Literal["r-x", "r--", "rw-"]
# 256 MiB of private pages: more than the instance region of fixed layouts leaves.
MAX_FRAMES = 1 << 16
Pages = Annotated[int, Field(ge=1, le=1 << 20)]
SizeInPages = Annotated[int, Field(ge=0, lt=1 << 63, multiple_of=PAGE)]
Count = Annotated[int, Field(ge=0, lt=1 << 63)]


# The context of reading a file, where more is required than of code that makes a manifest.
READING = {"reading": True}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Extent(_Model):
    """A stretch of an instance's memory: `pages` pages from `address` on, from page `first` of a run, from `frame` on of the
    instance's own frames (layout aslr), or zeros."""

    module: int | None = None
    address: HexAddress
    pages: Pages
    rights: Rights
    run: Digest | None
    first: Count = 0
    library: str | None = None
    section: str
    frame: Count | None = None

    @property
    def start(self) -> int:
        """Its first address (under `aslr`: offset in its module)."""
        return int(self.address, 16)

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.start + self.pages * PAGE

    @property
    def frames(self) -> range:
        """The instance's own frames that it shows."""
        return range(0) if self.frame is None else range(self.frame, self.frame + self.pages)

    @model_validator(mode="before")
    @classmethod
    def _check_written(cls, data: Any, info: ValidationInfo) -> Any:
        """A file says everything; code may leave out what is usual."""
        if info.context is READING and isinstance(data, dict) and (missing := {"first", "library"} - data.keys()):
            raise ValueError(f"missing field `{min(missing)}`")
        return data

    @model_validator(mode="after")
    def _check(self) -> Extent:
        if self.start % PAGE:
            raise ValueError(f"address {self.address} is not the start of a page")
        if self.frame is not None and (self.run is not None or self.rights == "r-x" or self.module is None):
            raise ValueError("frames are for tables and data of the layout aslr: no run, and not executable")
        if self.run is None and (self.first or (self.frame is None and self.rights != "rw-")):
            raise ValueError("zero pages must have the rights rw- and first 0")
        if self.module is None and not (
            APP_BASE <= self.start < self.end <= APP_END or LIBRARY_BASE <= self.start < self.end <= LIBRARY_END
        ):
            raise ValueError(f"{self.address} + {self.pages} pages lies outside the app and library regions")
        return self


class ElfReference(_Model):
    """The linked program, for debuggers and crash reports."""

    file: FileBeside
    sha256: Digest


class RunReference(_Model):
    """A whole run: the page tables."""

    run: Digest
    pages: Pages


class RelocationRun(_Model):
    """The relocations of an `aslr` image: `count` records of 16 bytes."""

    run: Digest
    count: Count


class Manifest(_Model):
    """`manifest.json`."""

    format: Literal["unishare-manifest"] = "unishare-manifest"
    version: FormatVersion = 1
    name: str
    layout: LayoutName
    abi: int
    entry: HexAddress
    elf: ElfReference
    image_table: HexAddress
    stack: SizeInPages
    heap: SizeInPages
    argv: list[str]
    env: dict[str, str]
    state: Literal["none"] | None = None
    libraries: list[LibraryReference]
    modules: Annotated[list[ModuleReference], Field(min_length=1, max_length=MAX_MODULES)] | None = None
    relocations: RelocationRun | None = None
    frames: Annotated[list[Digest | None], Field(max_length=MAX_FRAMES)] | None = None
    extents: Annotated[list[Extent], Field(max_length=MAX_EXTENTS)]
    page_tables: RunReference | None = None

    @model_validator(mode="before")
    @classmethod
    def _check_written(cls, data: Any, info: ValidationInfo) -> Any:
        if info.context is READING and isinstance(data, dict):
            if missing := {"format", "version"} - data.keys():
                raise ValueError(f"missing field `{min(missing)}`")
            if "modules" in data and data["modules"] is None:
                raise ValueError("modules: null; an image of another layout has no such field")
        return data

    @model_validator(mode="after")
    def _check(self) -> Manifest:
        if {self.layout == "aslr"} != {part is not None for part in (self.modules, self.relocations, self.frames)}:
            raise ValueError("modules, relocations and frames belong to the layout aslr, all or none")
        for before, after in pairwise(self.extents):
            if (before.module or 0, before.end) > (after.module or 0, after.start):
                raise ValueError(f"extent at {after.address} overlaps the one before it, or is out of order")
        for extent in self.extents:
            if (extent.module is None) != (self.modules is None):
                raise ValueError(f"extent at {extent.address}: `module` is for the layout aslr, and there for every extent")
            if self.modules is not None and not self._in_module(extent, self.modules):
                raise ValueError(f"extent at {extent.address} lies outside its module {extent.module}")
        self._check_frames()
        self._check_texts()
        self._check_program()
        return self

    def _check_texts(self) -> None:
        if not 0 < len(self.name.encode()) <= MAX_NAME_BYTES or any(
            unicodedata.category(character) == "Cc" for character in self.name
        ):
            raise ValueError(f"name: is not 1 to {MAX_NAME_BYTES} printable bytes")
        if any("\0" in text for text in (*self.argv, *self.env, *self.env.values())):
            raise ValueError("argv or env holds a NUL character")
        if any(not name or "=" in name for name in self.env):
            raise ValueError("env: an empty name, or one with =, is no variable's")
        known = {library.name for library in self.libraries}
        unknown = next(
            (extent.library for extent in self.extents if extent.library is not None and extent.library not in known), None
        )
        if unknown is not None:
            raise ValueError(f"extents: library {unknown!r} is not among libraries")

    def _check_program(self) -> None:
        """Where it begins, and what it needs beside its own memory."""
        if self.abi >> 16 != ABI >> 16 or self.abi > ABI:
            raise ValueError(f"abi: {self.abi:#x} is not what this version offers ({ABI:#x})")
        room = heap_limit(random=False, stack=0)
        if not 0 < self.stack <= room:
            raise ValueError(f"stack: {self.stack} is not from one page to {room} bytes")
        limit = heap_limit(random=self.layout == "aslr", stack=self.stack)
        if self.heap > limit:
            raise ValueError(f"heap: {self.heap} is more than the {limit} bytes that there are addresses for")
        own = [extent for extent in self.extents if not extent.module]
        entry, table = int(self.entry, 16), int(self.image_table, 16)
        if not any(extent.start <= entry < extent.end and extent.rights == "r-x" for extent in own):
            raise ValueError(f"entry: {self.entry} is not inside an r-x extent")
        if not any(extent.start <= table < extent.end for extent in own):
            raise ValueError(f"image_table: {self.image_table} is not inside an extent")

    def _check_frames(self) -> None:
        """Frames exist, and no frame is read-only here and writable there."""
        rights: dict[int, str] = {}
        for extent in self.extents:
            if extent.frames.stop > len(self.frames or []):
                raise ValueError(f"extent at {extent.address} of module {extent.module} shows frames that there are not")
            for frame in extent.frames:
                if rights.setdefault(frame, extent.rights) != extent.rights:
                    raise ValueError(f"frame {frame} has the rights {rights[frame]} and {extent.rights}")

    @staticmethod
    def _in_module(extent: Extent, modules: list[ModuleReference]) -> bool:
        number = extent.module or 0
        return number < len(modules) and extent.end <= modules[number].pages * PAGE

    @property
    def runs(self) -> frozenset[str]:
        """All runs that it names."""
        named = {extent.run for extent in self.extents if extent.run is not None}
        named.update(part.run for part in (self.page_tables, self.relocations) if part is not None)
        named.update(run for run in self.frames or [] if run is not None)
        return frozenset(named)

    def to_text(self) -> str:
        """The file's text, an extent a line: the same for the same manifest."""
        fields = self.model_dump(mode="json", exclude=self._absent())
        lines = []
        for name, value in fields.items():
            if isinstance(value, list) and value and isinstance(value[0], dict):
                entries = ",\n  ".join(json.dumps(entry) for entry in value)
                lines.append(f" {json.dumps(name)}: [\n  {entries}\n ]")
            else:
                lines.append(f" {json.dumps(name)}: {json.dumps(value)}")
        return "{\n" + ",\n".join(lines) + "\n}\n"

    def _absent(self) -> Any:
        """Fields of other layouts are left out, so that readers without them stay strict."""
        absent: dict[str, Any] = {}
        if self.modules is None:
            absent = {"modules": True, "relocations": True, "frames": True, "extents": {"__all__": {"module", "frame"}}}
        for name in ("page_tables", "state"):
            if getattr(self, name) is None:
                absent[name] = True
        return absent

    @classmethod
    def parse(cls, data: bytes, where: str) -> Manifest:
        """Read a manifest's bytes; `where` names them in errors."""
        hint = "Build the image again; docs/formats/manifest.md describes the format."
        try:
            strict_json.check(data)
            return cls.model_validate_json(data, strict=True, context=READING)
        except ValidationError as error:
            lines = [
                f"{where}: {_field(detail['loc'])}{detail['msg'].removeprefix('Value error, ')}"
                for detail in error.errors()[:8]
            ]
            raise BadInputError("\n".join(lines), hint) from None
        except ValueError as error:  # of the decoding
            raise BadInputError(f"{where}: {error}", hint) from None

    @classmethod
    def read(cls, file: Path) -> Manifest:
        """Read a manifest file."""
        try:
            return cls.parse(read_file(file, MANIFEST_BYTES), str(file))
        except FileNotFoundError:
            raise NotFoundError(f"{file}: no such manifest", "unishare build makes one") from None
        except OSError as error:
            raise BadInputError(f"{file}: {error.strerror}") from None


def _field(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return f"{text}: " if text else ""
