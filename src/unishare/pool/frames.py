"""An `aslr` image's private page frames: which there are, what each holds at first, and where the loader writes addresses.

In: the private pieces of all modules, each module's places in the frames that libraries share (toolchain/map/frame_space.py), and the
relocations by module. Out: frames numbered from 0, the extents that map them, and relocations by frame (docs/formats/aslr.md). Pages
of two libraries that have the same place are one frame: it holds the bytes of both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from unishare.errors import BadInputError
from unishare.formats.addresses import PAGE
from unishare.formats.image import PlacedModule
from unishare.formats.manifest import MAX_FRAMES
from unishare.formats.relocations import FRAME_RECORD, MODULE_RECORD
from unishare.pool.pieces import Piece

_ZERO = bytes(PAGE)

# What tells frames apart: its rights, the module if it is the module's alone (else -1), and its page in that space.
_Key = tuple[str, int, int]


@dataclass(frozen=True)
class FrameExtent:
    """`pages` pages at `address` of a module that show frames from `frame` on."""

    module: int
    address: int
    pages: int
    rights: str
    frame: int
    library: str | None
    section: str


@dataclass(frozen=True)
class Frames:
    """All frames of an image. `contents`: a frame's bytes, None for zeros."""

    contents: Sequence[bytes | None]
    extents: Sequence[FrameExtent]
    records: bytes


def arrange(modules: Sequence[PlacedModule], pieces: Sequence[tuple[int, Piece]], records: bytes) -> Frames:
    """Number the frames, join what shares them, and move the relocations from modules to frames."""
    if sum(piece.pages for _, piece in pieces) > MAX_FRAMES:
        raise BadInputError(
            f"the image has more than {MAX_FRAMES} pages of tables and data", "Take less writable memory in variables."
        )
    keys = {(number, page): key for number, piece in pieces for page, key in _pages(modules[number], number, piece)}
    numbers = {key: index for index, key in enumerate(sorted(set(keys.values())))}
    contents = [bytearray(PAGE) for _ in numbers]
    for module, piece in pieces:
        for page in range(len(piece.data) // PAGE):
            _join(contents[numbers[keys[module, piece.address // PAGE + page]]], piece.data[page * PAGE : (page + 1) * PAGE])
    places = {page: numbers[key] for page, key in keys.items()}
    extents = [
        FrameExtent(
            module,
            piece.address,
            piece.pages,
            piece.rights,
            places[module, piece.address // PAGE],
            piece.library,
            piece.section,
        )
        for module, piece in pieces
    ]
    relocations = _by_frame(modules, places, records)
    for place, _, _ in relocations:
        contents[place // PAGE][place % PAGE : place % PAGE + 8] = bytes(8)  # the loader writes it
    packed = b"".join(FRAME_RECORD.pack(*relocation) for relocation in relocations)
    return Frames([None if frame == _ZERO else bytes(frame) for frame in contents], extents, packed)


def _pages(module: PlacedModule, number: int, piece: Piece) -> Iterator[tuple[int, _Key]]:
    place = module.linkage if piece.section == "linkage" else module.writable
    first = piece.address // PAGE
    for page in range(piece.pages):
        key = (piece.rights, number, first + page) if place is None else (piece.rights, -1, place // PAGE + page)
        yield first + page, key


def _join(frame: bytearray, page: bytes) -> None:
    """Add a library's bytes to a frame; what lies around them in its page is zeros."""
    joined = int.from_bytes(frame, "little") | int.from_bytes(page, "little")
    frame[:] = joined.to_bytes(PAGE, "little")


def _by_frame(
    modules: Sequence[PlacedModule], places: dict[tuple[int, int], int], records: bytes
) -> list[tuple[int, int, int]]:
    """The relocations as (byte in the frames, target module, addend), in order."""
    if len(records) % MODULE_RECORD.size:
        raise BadInputError("the relocations are not whole records", "Build the image again.")
    found = []
    for module, target, offset, addend in MODULE_RECORD.iter_unpack(records):
        frame = places.get((module, offset // PAGE))
        if frame is None or offset % PAGE > PAGE - 8:
            name = modules[module].name if module < len(modules) else f"module {module}"
            raise BadInputError(
                f"{name}: the relocation at offset {offset:#x} is not inside one page of its tables or data",
                "Align structures that hold addresses to 8 bytes (no packed ones).",
            )
        found.append((frame * PAGE + offset % PAGE, target, addend))
    return sorted(found)
