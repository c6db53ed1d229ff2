"""A program or a memory dump as the pages that it would have in memory: for ELF files its loadable segments, else the file's own pages.

Any static or position-independent program for x86-64 will do, ours or not. Nothing trusts an offset of the file. Called by `unishare analyze`.
"""

from __future__ import annotations

import errno
import os
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from unishare.errors import BadInputError, InputOutputError
from unishare.formats.addresses import PAGE
from unishare.formats.elf import PT_LOAD, SHF_ALLOC, SHT_NOBITS, ElfFile, Section, Segment

MAGIC = b"\x7fELF"
X86_64 = 62
# Of all loadable segments together, zeros included; a damaged header could ask for any number.
SIZE_LIMIT = 1 << 32
CHUNK = 1 << 20
_ZERO = bytes(PAGE)
_PLACED = (".text", ".rodata", ".data", ".bss")


@dataclass(frozen=True)
class Page:
    """One page. `address`: where it is mapped, for a dump its offset. `content`: None for zeros."""

    address: int
    content: bytes | None
    section: str
    library: str


@dataclass
class MemoryImage:
    """A file's pages that hold something, and how many hold only zeros (by section)."""

    name: str
    pages: list[Page] = field(default_factory=list)
    zero: dict[str, int] = field(default_factory=dict)
    elf: ElfFile | None = None

    def add(self, page: Page) -> None:
        """Take a page, its content only if there is any."""
        if page.content is None or page.content == _ZERO:
            self.zero[page.section] = self.zero.get(page.section, 0) + 1
        else:
            self.pages.append(page)

    @property
    def zeros(self) -> int:
        """Pages of zeros."""
        return sum(self.zero.values())

    @property
    def count(self) -> int:
        """All pages."""
        return len(self.pages) + self.zeros


def read_image(file: Path, libraries: LibraryRanges | None = None) -> MemoryImage:
    """Read an ELF file or a raw dump. `libraries`: from a link map, for an ELF file."""
    try:
        with file.open("rb") as stream:
            if not os.path.isfile(file):  # noqa: PTH113
                raise BadInputError(f"{file}: not a regular file", "give ELF files or memory dumps")
            size = os.fstat(stream.fileno()).st_size
            if size == 0:
                raise BadInputError(f"{file}: the file is empty", "give an ELF file or a memory dump")
            if stream.read(4) != MAGIC:
                return _dump(file.name, stream.fileno(), size)
    except OSError as error:
        raise (InputOutputError if error.errno == errno.EIO else BadInputError)(f"{file}: {error.strerror}") from None
    return _program(ElfFile(_checked(file), str(file)), file.name, libraries)


@dataclass(frozen=True)
class LibraryRanges:
    """Which library lies at an address: sorted stretches that do not overlap."""

    starts: list[int]
    ends: list[int]
    names: list[str]

    def at(self, address: int) -> str | None:
        """The library with the byte at this address; None for none."""
        place = bisect_right(self.starts, address) - 1
        return self.names[place] if place >= 0 and address < self.ends[place] else None


def _checked(file: Path) -> bytes:
    """An ELF file's bytes, if it is one that can be compared."""
    with file.open("rb") as stream:
        head = stream.read(64)
    if len(head) < 64:
        raise BadInputError(f"{file}: cut off: {len(head)} bytes of an ELF header of 64", "copy the file again")
    machine = int.from_bytes(head[18:20], "little" if head[5] == 1 else "big")
    if head[4] != 2 or head[5] != 1 or machine != X86_64:
        raise BadInputError(
            f"{file}: an ELF file for another machine (e_machine {machine})", "unishare analyze compares x86-64 programs"
        )
    # Not read whole before it is known to be no dump with such a head.
    if file.stat().st_size > SIZE_LIMIT:
        raise BadInputError(f"{file}: {file.stat().st_size} bytes are too many for a program", "cut the dump's ELF header off")
    return file.read_bytes()


def _program(elf: ElfFile, name: str, libraries: LibraryRanges | None) -> MemoryImage:
    segments = sorted(
        (segment for segment in elf.segments if segment.type == PT_LOAD and segment.memory_size),
        key=lambda segment: segment.address,
    )
    if not segments:
        raise BadInputError(f"{elf.name}: no loadable segment: an object file or a library archive's member", "link it first")
    _check(elf, segments)
    image = MemoryImage(name, elf=elf)
    sections = sorted(
        (header for header in elf.sections if header.flags & SHF_ALLOC and header.size), key=lambda header: header.address
    )
    for address, content in _contents(elf, segments):
        section = _section_at(sections, address, content is not None) or _rights(segments, address)
        library = (libraries.at(_first_byte(sections, address)) if libraries else None) or _library_of(section)
        image.add(Page(address, content, _kind(section), library))
    return image


def _check(elf: ElfFile, segments: list[Segment]) -> None:
    total = 0
    for number, segment in enumerate(segments):
        where = f"{elf.name}: the segment at {segment.address:#x}"
        if segment.offset + segment.file_size > len(elf.data):
            raise BadInputError(
                f"{where} ends at byte {segment.offset + segment.file_size} of a file of {len(elf.data)}", "the file is cut off"
            )
        if segment.file_size > segment.memory_size:
            raise BadInputError(f"{where} has more bytes in the file than in memory", "the file is damaged")
        total += segment.memory_size
        if total > SIZE_LIMIT or segment.address + segment.memory_size > 1 << 64:
            raise BadInputError(f"{where} has {segment.memory_size} bytes", "the file is damaged")
        if number and segments[number - 1].address + segments[number - 1].memory_size > segment.address:
            raise BadInputError(f"{where} overlaps the one at {segments[number - 1].address:#x}", "the file is damaged")


def _contents(elf: ElfFile, segments: list[Segment]) -> Iterator[tuple[int, bytes | None]]:
    """Pages in order; one that several segments touch holds the bytes of all of them. None: only zeros, and no bytes in the file."""
    pending: tuple[int, bytearray | None] | None = None
    for segment in segments:
        start = segment.address // PAGE * PAGE
        for address in range(start, segment.address + segment.memory_size, PAGE):
            if pending is not None and pending[0] != address:
                yield pending[0], bytes(pending[1]) if pending[1] is not None else None
                pending = None
            before = pending[1] if pending is not None else None
            pending = (address, _filled(elf.data, segment, address, before))
    if pending is not None:
        yield pending[0], bytes(pending[1]) if pending[1] is not None else None


def _filled(data: bytes, segment: Segment, address: int, before: bytearray | None) -> bytearray | None:
    """A page with a segment's bytes of the file in it."""
    low = max(address, segment.address)
    high = min(address + PAGE, segment.address + segment.file_size)
    if high <= low:
        return before
    page = before if before is not None else bytearray(PAGE)
    offset = segment.offset + low - segment.address
    page[low - address : high - address] = data[offset : offset + high - low]
    return page


def _section_at(sections: list[Section], address: int, filled: bool) -> str | None:
    """The first section with bytes in a page; one that has bytes in the file before one that has none."""
    found = list(_sections_in(sections, address))
    with_bytes = [section for section in found if (section.type != SHT_NOBITS) == filled]
    return next((section.name for section in with_bytes or found), None)


def _sections_in(sections: list[Section], address: int) -> Iterator[Section]:
    for section in sections:
        if section.address >= address + PAGE:
            return
        if section.address + section.size > address:
            yield section


def _first_byte(sections: list[Section], address: int) -> int:
    """The first address in a page that a section covers."""
    return next((max(address, section.address) for section in _sections_in(sections, address)), address)


def _rights(segments: list[Segment], address: int) -> str:
    """For files without section headers: the segment's rights."""
    for segment in segments:
        if segment.address < address + PAGE and segment.address + segment.memory_size > address:
            return "segment " + "".join(
                letter if segment.flags & bit else "-" for letter, bit in (("r", 4), ("w", 2), ("x", 1))
            )
    return "segment"


def _kind(section: str) -> str:
    """`.text.zlib` -> `.text`: the sections of one kind together."""
    return "." + section.split(".")[1] if section.startswith(".") and len(section) > 1 else section


def _library_of(section: str) -> str:
    """Linkers that place libraries name their sections `.text.NAME`; others tell nothing."""
    parts = section.split(".", 2)
    return parts[2] if len(parts) == 3 and f".{parts[1]}" in _PLACED else "(unknown)"


def _dump(name: str, descriptor: int, size: int) -> MemoryImage:
    """A raw dump; holes of a sparse file are zero pages, and are not read."""
    image = MemoryImage(name)
    pages = -(-size // PAGE)
    seen = 0
    for start, end in _data(descriptor, size):
        for offset in range(start, end, CHUNK):
            data = os.pread(descriptor, min(CHUNK, end - offset), offset)
            for place in range(0, len(data), PAGE):
                page = data[place : place + PAGE]
                image.add(Page(offset + place, page.ljust(PAGE, b"\0"), "dump", "(unknown)"))
                seen += 1
    if pages > seen:
        image.zero["dump"] = image.zero.get("dump", 0) + pages - seen
    return image


def _data(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Stretches of whole pages that hold data (lseek(2), SEEK_DATA)."""
    end = 0
    while end < size:
        try:
            start = max(end, os.lseek(descriptor, end, os.SEEK_DATA) // PAGE * PAGE)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        end = min(size, -(-os.lseek(descriptor, start, os.SEEK_HOLE) // PAGE) * PAGE)
        yield start, max(end, start + 1)
