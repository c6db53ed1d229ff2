"""A snapshot: an image as it was when it first waited for a request (docs/formats/snapshot.md). This model is the format's source of
truth.

Whatever contradicts itself is refused here, and again by the monitor, which trusts nobody.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from unishare.errors import BadInputError, NotFoundError
from unishare.formats.addresses import PAGE
from unishare.formats.bounded import MANIFEST_BYTES, read_file
from unishare.formats.image import Digest
from unishare.formats.manifest import HexAddress, Pages, RunReference, SizeInPages

# Beside an image's manifest: one file a snapshot, named by its number.
FOLDER_NAME = "snapshots"
# Pages that an instance may have of its own before its first request (the monitor's snapshot/check.rs has the same).
FIRST_WRITES = 128


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SnapshotDraw(_Model):
    """Where an image of the layout `aslr` lay: its modules, the instance's own three pages, the stack and the heap."""

    modules: list[HexAddress]
    instance: HexAddress
    stack: HexAddress
    heap: HexAddress


class WaitingRegisters(_Model):
    """The registers that a C function keeps, in the hypercall for the next request, and that call's arguments."""

    rsp: HexAddress
    rbx: HexAddress
    rbp: HexAddress
    r12: HexAddress
    r13: HexAddress
    r14: HexAddress
    r15: HexAddress
    fs_base: HexAddress
    receive_address: HexAddress
    receive_bytes: Annotated[int, Field(ge=0)]
    mxcsr: Annotated[int, Field(ge=0, le=0xFFFF)]
    x87_control: Annotated[int, Field(ge=0, le=0xFFFF)]


class PageRange(_Model):
    """`pages` pages from `address` on."""

    address: HexAddress
    pages: Pages

    @property
    def start(self) -> int:
        """Its first address."""
        return int(self.address, 16)

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.start + self.pages * PAGE


class PageStretch(PageRange):
    """They hold what page `first` of a run, and those behind it, hold."""

    run: Digest
    first: Annotated[int, Field(ge=0)] = 0


class Snapshot(_Model):
    """`snapshots/N.json`."""

    format: Literal["unishare-snapshot"] = "unishare-snapshot"
    version: Literal[1] = 1
    name: str
    image: Digest
    processor: list[str]
    draw: SnapshotDraw | None = None
    waiting: WaitingRegisters
    heap_ready: SizeInPages | None = None
    page_tables: RunReference | None = None
    pages: list[PageStretch]
    # What every first request writes.
    first_writes: list[PageRange] = []

    @model_validator(mode="after")
    def _check(self) -> Snapshot:
        _check_order(self.pages)
        _check_order(self.first_writes)
        if (pages := sum(written.pages for written in self.first_writes)) > FIRST_WRITES:
            raise ValueError(f"first_writes are {pages} pages, more than {FIRST_WRITES}")
        return self

    @property
    def runs(self) -> frozenset[str]:
        """All runs that it names."""
        tables = {self.page_tables.run} if self.page_tables is not None else set()
        return frozenset({stretch.run for stretch in self.pages} | tables)

    def to_text(self) -> str:
        """The file's text, a stretch of pages a line: the same for the same snapshot."""
        absent = {name for name in ("draw", "heap_ready", "page_tables") if getattr(self, name) is None}
        fields = self.model_dump(mode="json", exclude={"pages", "first_writes"} | absent)
        lines = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in fields.items()]
        stretches = ",\n  ".join(json.dumps(stretch.model_dump(mode="json")) for stretch in self.pages)
        lines.append(f' "pages": [\n  {stretches}\n ]')
        if self.first_writes:
            ranges = ", ".join(json.dumps(stretch.model_dump(mode="json")) for stretch in self.first_writes)
            lines.append(f' "first_writes": [{ranges}]')
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @classmethod
    def parse(cls, data: bytes, where: str) -> Snapshot:
        """Read a snapshot's bytes; `where` names them in errors."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            detail = error.errors()[0]
            field = ".".join(str(part) for part in detail["loc"])
            raise BadInputError(
                f"{where}: {field + ': ' if field else ''}{detail['msg'].removeprefix('Value error, ')}",
                "Take it again with 'unishare snapshot'; docs/formats/snapshot.md describes the format.",
            ) from None

    @classmethod
    def read(cls, file: Path) -> Snapshot:
        """Read a snapshot file."""
        try:
            return cls.parse(read_file(file, MANIFEST_BYTES), str(file))
        except FileNotFoundError:
            raise NotFoundError(f"{file}: no such snapshot", "unishare snapshot takes one") from None
        except OSError as error:
            raise BadInputError(f"{file}: {error.strerror}") from None


def _check_order(stretches: Sequence[PageRange]) -> None:
    for stretch in stretches:
        if stretch.start % PAGE:
            raise ValueError(f"address {stretch.address} is not the start of a page")
    for before, after in pairwise(stretches):
        if before.end > after.start:
            raise ValueError(f"the pages at {after.address} overlap those before them, or are out of order")


def snapshots_of(manifest: Path) -> list[Path]:
    """The snapshots beside an image's manifest, by number."""
    return sorted((manifest.parent / FOLDER_NAME).glob("*.json"), key=lambda file: (len(file.name), file.name))
