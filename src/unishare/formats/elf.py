"""Reading the few parts of ELF64 that the linker's steps need: sections, symbols, program headers.

Own code, because a build reads thousands of objects: a general reader takes longer than the link. Any damage is one
`BadInputError`; nothing here trusts an offset of the file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from unishare.errors import BadInputError

SHT_SYMTAB, SHT_RELA, SHT_NOBITS, SHT_DYNSYM = 2, 4, 8, 11
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR, SHF_TLS = 1, 2, 4, 0x400
SHN_UNDEF, SHN_COMMON = 0, 0xFFF2
STB_LOCAL, STB_GLOBAL, STB_WEAK = 0, 1, 2
STT_GNU_IFUNC = 10
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
            self.entry: int = header[4]
            self.segments = [_segment(data, header[5] + index * _SEGMENT.size) for index in range(header[10])]
            self.sections = self._sections(header[6], header[12], header[13])
        except _DAMAGE as error:
            raise self._damaged(error) from None

    @classmethod
    def read(cls, path: Path) -> ElfFile:
        """Parse a file."""
        try:
            return cls(path.read_bytes(), str(path))
        except OSError as error:
            raise BadInputError(f"{path}: {error.strerror}") from None

    def symbols(self) -> list[Symbol]:
        """The global and weak symbols."""
        return [one for one in self.symbol_table(SHT_SYMTAB) if one.binding != STB_LOCAL]

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
        content = self.data[section.offset : section.offset + section.size]
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
        return self.data[section.offset : section.offset + section.size]

    def _damaged(self, why: object) -> BadInputError:
        return BadInputError(f"{self.name}: damaged ELF file: {why}")

    def _sections(self, start: int, count: int, names_index: int) -> list[Section]:
        raw = [_SECTION.unpack_from(self.data, start + index * _SECTION.size) for index in range(count)]
        names = raw[names_index][4] if raw else 0
        return [Section(_string(self.data, names + r[0]), r[1], r[2], r[3], r[4], r[5], r[8], r[6], r[7]) for r in raw]

    def _symbols(self, table: Section, strings: Section) -> list[Symbol]:
        found = []
        content = self.data[table.offset : table.offset + table.size]
        for name, info, _, section, value, size in _SYMBOL.iter_unpack(content):
            found.append(Symbol(_string(self.data, strings.offset + name), info >> 4, section, value, size, info & 15))
        return found


def expose_hidden(path: Path) -> None:
    """Give the hidden and internal symbols of an object default visibility (gABI, st_other), in place.

    Parts of one upstream library, or of the compiler's runtime, hide symbols from everybody outside their own file; under the
    layout aslr each part is a file of its own.
    """
    parsed = ElfFile.read(path)
    data = bytearray(parsed.data)
    for section in parsed.sections:
        if section.type == SHT_SYMTAB:
            for entry in range(section.offset, section.offset + section.size, _SYMBOL.size):
                if data[entry + 4] >> 4 != STB_LOCAL:
                    data[entry + 5] &= 0xFC
    path.write_bytes(data)


def _segment(data: bytes, offset: int) -> Segment:
    kind, flags, start, address, _, file_size, memory_size, _ = _SEGMENT.unpack_from(data, offset)
    return Segment(kind, flags, start, address, file_size, memory_size)


def _string(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode("utf-8", "replace")
