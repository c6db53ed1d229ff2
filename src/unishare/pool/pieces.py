"""An image's ELF file as pieces of memory: what each PT_LOAD puts where, in whole pages.

In: `image.elf` and `image.json`. Out: pieces with bytes, and zero pages. What a page holds behind its segment's bytes is zeros,
always, so that equal libraries are equal pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from unishare.errors import BadInputError
from unishare.formats import elf
from unishare.formats.addresses import APP_BASE, LIBRARY_END, PAGE, round_up
from unishare.formats.elf import ElfFile, Section, Segment
from unishare.formats.image import MAX_MODULE_PAGES
from unishare.formats.manifest import Rights
from unishare.formats.sections import LINKAGE_SECTIONS, Kind

_RIGHTS: dict[int, Rights] = {5: "r-x", 4: "r--", 6: "rw-"}
_ZERO = bytes(PAGE)
_OWN_SECTIONS = {"r-x": "text", "r--": "rodata", "rw-": "data"}
_LINKER_SECTION = ".dynsym"


@dataclass(frozen=True)
class Piece:
    """Whole pages at an address: `data`, then `zero_pages` of zeros."""

    address: int
    rights: Rights
    data: bytes
    zero_pages: int
    library: str | None
    section: str

    @property
    def pages(self) -> int:
        """How many pages it takes."""
        return len(self.data) // PAGE + self.zero_pages


def pieces_of(file: Path, libraries: Sequence[str]) -> list[Piece]:
    """The pieces of a fixed layout's image, by address."""
    parsed = ElfFile.read(file)
    _check_segments(parsed, APP_BASE, LIBRARY_END)
    found = []
    for segment in parsed.segments:
        if segment.type == elf.PT_LOAD and segment.memory_size:
            library, section = _owner(parsed, segment, libraries)
            found.append(_piece(parsed, segment, library, section))
    return _in_order(parsed, found)


def pieces_of_module(file: Path, library: str | None) -> list[Piece]:
    """The pieces of a module of the layout aslr, by offset: the linker's own segment is left out. What the loader or the guest writes
    has the section `linkage` or the rights rw-."""
    parsed = ElfFile.read(file)
    _check_segments(parsed, 0, MAX_MODULE_PAGES * PAGE)
    found: list[Piece] = []
    for segment in parsed.segments:
        if segment.type != elf.PT_LOAD or not segment.memory_size or _has_section(parsed, segment, (_LINKER_SECTION,)):
            continue
        linkage = _has_section(parsed, segment, LINKAGE_SECTIONS)
        section = "linkage" if linkage else _OWN_SECTIONS[_rights(parsed, segment)]
        found.append(_piece(parsed, segment, library, section))
    return _in_order(parsed, found)


def _check_segments(parsed: ElfFile, start: int, end: int) -> None:
    """Refuse, before a byte is copied, segments that lie outside an image's addresses or are more than the file has."""
    loaded = [header for header in parsed.segments if header.type == elf.PT_LOAD and header.memory_size]
    for segment in loaded:
        if not start <= segment.address <= segment.address + segment.memory_size <= end:
            raise BadInputError(
                f"{parsed.name}: the segment at {segment.address:#x} of {segment.memory_size:#x} bytes lies outside "
                f"{start:#x} to {end:#x}, where images lie",
                "Only what 'unishare build' links can be added.",
            )
    if sum(header.file_size for header in loaded) > len(parsed.data):
        raise BadInputError(f"{parsed.name}: its segments have more bytes than the file")


def _rights(parsed: ElfFile, segment: Segment) -> Rights:
    rights = _RIGHTS.get(segment.flags)
    if rights is None:
        raise BadInputError(
            f"{parsed.name}: the segment at {segment.address:#x} has the rights {segment.flags:#o}: "
            "writable and executable, or unreadable, memory is refused"
        )
    return rights


def _piece(parsed: ElfFile, segment: Segment, library: str | None, section: str) -> Piece:
    rights = _rights(parsed, segment)
    start = segment.address // PAGE * PAGE
    lead = segment.address - start
    content = parsed.data[segment.offset : segment.offset + segment.file_size]
    if len(content) != segment.file_size or segment.file_size > segment.memory_size or segment.memory_size > 1 << 31:
        raise BadInputError(f"{parsed.name}: the segment at {segment.address:#x} is larger than the file or than memory")
    data = bytes(lead) + content if lead else content
    data += bytes(-len(data) % PAGE)
    total = round_up(lead + segment.memory_size, PAGE)
    if rights == "rw-":
        while data.endswith(_ZERO):
            data = data[:-PAGE]
    return Piece(start, rights, data, (total - len(data)) // PAGE, library, section)


def _owner(parsed: ElfFile, segment: Segment, libraries: Sequence[str]) -> tuple[str | None, str]:
    """Which library's window a segment is, from its sections' names; a page of several belongs to none."""
    names = [section.name for section in _sections_in(parsed, segment)]
    owners = {name.split(".", 2)[2] if name.count(".") > 1 else None for name in names}
    kinds = [name.split(".")[1] for name in names if name.startswith(".")]
    owner = owners.pop() if len(owners) == 1 else None
    kind = kinds[0] if kinds and kinds[0] in set(Kind) and owner in libraries else _OWN_SECTIONS[_rights(parsed, segment)]
    return (owner if owner in libraries else None), kind


def _sections_in(parsed: ElfFile, segment: Segment) -> list[Section]:
    end = segment.address + segment.memory_size
    return [
        section
        for section in parsed.sections
        if section.flags & elf.SHF_ALLOC and section.size and segment.address <= section.address < end
    ]


def _has_section(parsed: ElfFile, segment: Segment, names: Sequence[str]) -> bool:
    return any(section.name in names for section in _sections_in(parsed, segment))


def _in_order(parsed: ElfFile, pieces: list[Piece]) -> list[Piece]:
    ordered = sorted(pieces, key=attrgetter("address"))
    end = 0
    for piece in ordered:
        if piece.address < end:
            raise BadInputError(f"{parsed.name}: two segments share the page at {piece.address:#x}")
        end = piece.address + piece.pages * PAGE
    return ordered
