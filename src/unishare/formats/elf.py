"""Reading the few parts of ELF64 that the linker's steps need: sections, symbols, program headers.

Own code, because a build reads thousands of objects: a general reader takes longer than the link. Any damage is one
`BadInputError`; nothing here trusts an offset of the file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unishare.errors import BadInputError
from unishare.formats.bounded import ELF_BYTES, read_file

# The gABI's names ("System V Application Binary Interface", chapter 4), and those of its GNU extensions.
SHT_SYMTAB, SHT_RELA, SHT_NOBITS, SHT_REL, SHT_DYNSYM, SHT_SYMTAB_SHNDX = 2, 4, 8, 9, 11, 18
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR, SHF_TLS, SHF_COMPRESSED = 1, 2, 4, 0x400, 0x800
SHN_UNDEF, SHN_LORESERVE, SHN_ABS, SHN_COMMON, SHN_XINDEX = 0, 0xFF00, 0xFFF1, 0xFFF2, 0xFFFF
PN_XNUM = 0xFFFF
STB_LOCAL, STB_GLOBAL, STB_WEAK, STB_GNU_UNIQUE = 0, 1, 2, 10
STT_NOTYPE, STT_OBJECT, STT_FUNC, STT_SECTION, STT_FILE, STT_COMMON, STT_TLS, STT_GNU_IFUNC = 0, 1, 2, 3, 4, 5, 6, 10
STV_DEFAULT, STV_INTERNAL, STV_HIDDEN, STV_PROTECTED = 0, 1, 2, 3
PT_LOAD, PT_TLS = 1, 7

# No section of an image can be larger: the addresses of code and data end below 2 GiB.
SIZE_LIMIT = 1 << 31
# What reading at a wrong place, a place that no number can hold, or of half a record raises.
_DAMAGE = (struct.error, IndexError, ValueError, OverflowError)

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELA = struct.Struct("<QQq")
_SEGMENT = struct.Struct("<IIQQQQQQ")


@dataclass(frozen=True)
class Section:
    """One section header."""

    name: str
    type: int
    flags: int
    address: int
    offset: int
    size: int
    alignment: int
    link: int
    info: int


@dataclass(frozen=True)
class Symbol:
    """One symbol that other objects can see or must supply."""

    name: str
    binding: int
    section: int
    value: int
    size: int
    type: int
    visibility: int = STV_DEFAULT
    # Whether `section` is a number with a meaning of its own (SHN_ABS, SHN_COMMON), not a section's.
    reserved: bool = False

    @property
    def defined(self) -> bool:
        """Whether this object supplies the symbol."""
        return self.section != SHN_UNDEF


@dataclass(frozen=True)
class Relocation:
    """One record of a SHT_RELA section (psABI x86-64, 4.4). `symbol` is an index into the section's symbol table."""

    offset: int
    type: int
    symbol: int
    addend: int


@dataclass(frozen=True)
class Segment:
    """One program header."""

    type: int
    flags: int
    offset: int
    address: int
    file_size: int
    memory_size: int


class ElfFile:
    """A parsed ELF file, bytes kept."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data = data
        self.name = name
        try:
            header = _HEADER.unpack_from(data)
            if header[0][:6] != b"\x7fELF\x02\x01" or header[2] != 62:
                raise BadInputError(f"{name}: not an ELF file for x86-64")
            if header[3] != 1 or header[0][6] != 1:
                raise BadInputError(f"{name}: an ELF file of version {header[3]}, not 1")
            self.entry: int = header[4]
            section_count, names_index, segment_count = self._counts(header)
            self.segments = [_segment(data, header[5] + index * _SEGMENT.size) for index in range(segment_count)]
            self.sections = self._sections(header[6], section_count, names_index)
        except _DAMAGE as error:
            raise self._damaged(error) from None

    @classmethod
    def read(cls, path: Path) -> ElfFile:
        """Parse a file."""
        try:
            return cls(read_file(path, ELF_BYTES), str(path))
        except OSError as error:
            raise BadInputError(f"{path}: {error.strerror}") from None

    def symbols(self) -> list[Symbol]:
        """The global and weak symbols."""
        return [symbol for symbol in self.symbol_table(SHT_SYMTAB) if symbol.binding != STB_LOCAL]

    def symbol_table(self, kind: int) -> list[Symbol]:
        """All entries of the symbol table of a kind (SHT_SYMTAB or SHT_DYNSYM), so that indices mean what they say."""
        try:
            for section in self.sections:
                if section.type == kind:
                    return self._symbols(section, self.sections[section.link])
        except _DAMAGE as error:
            raise self._damaged(error) from None
        return []

    def relocations(self, section: Section) -> list[Relocation]:
        """The records of a SHT_RELA section."""
        content = self.content(section)
        try:
            return [
                Relocation(offset, info & 0xFFFFFFFF, info >> 32, addend) for offset, info, addend in _RELA.iter_unpack(content)
            ]
        except _DAMAGE as error:
            raise self._damaged(f"section {section.name}: {error}") from None

    def content(self, section: Section) -> bytes:
        """A section's bytes; of a section without bytes in the file, zeros."""
        if section.type == SHT_NOBITS:
            if section.size > SIZE_LIMIT:
                raise self._damaged(f"section {section.name} has {section.size} bytes")
            return bytes(section.size)
        if section.flags & SHF_COMPRESSED:
            raise BadInputError(
                f"{self.name}: section {section.name} is compressed",
                "Build it without compressed sections (-gz=none, objcopy --decompress-debug-sections).",
            )
        return self.data[section.offset : section.offset + section.size]

    def _damaged(self, why: object) -> BadInputError:
        return BadInputError(f"{self.name}: damaged ELF file: {why}")

    def _counts(self, header: tuple[Any, ...]) -> tuple[int, int, int]:
        """Numbers of sections, of the section of names, and of segments. Where they do not fit into 16 bits the first section header
        has them (gABI, e_shnum, e_shstrndx and e_phnum)."""
        sections, names_index, segments = header[12], header[13], header[10]
        if sections and header[11] != _SECTION.size:
            raise self._damaged(f"section headers of {header[11]} bytes, not {_SECTION.size}")
        if segments and header[9] != _SEGMENT.size:
            raise self._damaged(f"program headers of {header[9]} bytes, not {_SEGMENT.size}")
        self._refuse_cut("section headers", header[6], _SECTION.size if header[6] else 0)
        if header[6]:
            first = _SECTION.unpack_from(self.data, header[6])
            sections = sections or first[5]
            names_index = first[6] if names_index == SHN_XINDEX else names_index
            segments = first[7] if segments == PN_XNUM else segments
        if max(sections * _SECTION.size, segments * _SEGMENT.size) > len(self.data):
            raise self._damaged(f"{sections} sections and {segments} segments do not fit into {len(self.data)} bytes")
        self._refuse_cut("section headers", header[6], sections * _SECTION.size)
        self._refuse_cut("program headers", header[5], segments * _SEGMENT.size)
        return sections, names_index, segments

    def _refuse_cut(self, what: str, start: int, size: int) -> None:
        if size and start + size > len(self.data):
            raise self._damaged(f"cut off: its {what} end at byte {start + size}, it has {len(self.data)}")

    def _sections(self, start: int, count: int, names_index: int) -> list[Section]:
        raw = [_SECTION.unpack_from(self.data, start + index * _SECTION.size) for index in range(count)]
        names = raw[names_index][4] if raw else 0
        return [Section(_string(self.data, names + r[0]), r[1], r[2], r[3], r[4], r[5], r[8], r[6], r[7]) for r in raw]

    def _symbols(self, table: Section, strings: Section) -> list[Symbol]:
        content = self.data[table.offset : table.offset + table.size]
        extended = self._extended_indices(table)
        found = []
        for number, (name, info, other, section, value, size) in enumerate(_SYMBOL.iter_unpack(content)):
            reserved = section >= SHN_LORESERVE and section != SHN_XINDEX
            place = extended[number] if section == SHN_XINDEX else section
            text = _string(self.data, strings.offset + name)
            found.append(Symbol(text, info >> 4, place, value, size, info & 15, other & 3, reserved))
        return found

    def _extended_indices(self, table: Section) -> tuple[int, ...]:
        """The section numbers of symbols that do not fit into 16 bits."""
        for section in self.sections:
            if section.type == SHT_SYMTAB_SHNDX and self.sections[section.link] is table:
                content = self.data[section.offset : section.offset + section.size]
                return struct.unpack(f"<{len(content) // 4}I", content)
        return ()


def normalise_symbols(path: Path, *, expose: bool) -> None:
    """Give the symbols of an object the bindings and visibilities that images have, in place.

    STB_GNU_UNIQUE says that all definitions in a process are one, which is what weak ones of one image are. `expose`: hidden and internal
    symbols get default visibility (gABI, st_other). Parts of one upstream library, or of the compiler's runtime, hide symbols from
    everybody outside their own file; under the layout aslr each part is a file of its own.
    """
    parsed = ElfFile.read(path)
    data = bytearray(parsed.data)
    for section in parsed.sections:
        if section.type == SHT_SYMTAB:
            for entry in range(section.offset, section.offset + section.size, _SYMBOL.size):
                binding = data[entry + 4] >> 4
                if binding == STB_GNU_UNIQUE:
                    data[entry + 4] = STB_WEAK << 4 | data[entry + 4] & 15
                if binding != STB_LOCAL and expose:
                    data[entry + 5] &= 0xFC
    if data != parsed.data:
        path.write_bytes(data)


def _segment(data: bytes, offset: int) -> Segment:
    kind, flags, start, address, _, file_size, memory_size, _ = _SEGMENT.unpack_from(data, offset)
    return Segment(kind, flags, start, address, file_size, memory_size)


def _string(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode("utf-8", "replace")
