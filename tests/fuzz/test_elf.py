"""ELF files that a linker did not write: parsed, or refused by one `BadInputError` that names the file."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from fuzz.mutations import any_input
from unishare.errors import BadInputError
from unishare.formats.elf import SHT_DYNSYM, SHT_NOBITS, SHT_RELA, SHT_SYMTAB, ElfFile
from unishare.pool.pieces import pieces_of, pieces_of_module

NAMES = b"\0.text\0.shstrtab\0.symtab\0.strtab\0.rela.text\0.bss\0"
STRINGS = b"\0main\0other\0"


def small() -> bytes:
    """A whole ELF file in a page and a half, every kind of header in it."""
    symbols = struct.pack("<IBBHQQ", 0, 0, 0, 0, 0, 0) + struct.pack("<IBBHQQ", 1, 0x12, 0, 1, 0x401000, 4)
    relocations = struct.pack("<QQq", 0x401000, 1 << 32 | 1, -4)
    text, at = b"\xf4" * 16, 64 + 56
    contents = [
        (1, 1, 6, text),
        (7, 3, 0, NAMES),
        (17, SHT_SYMTAB, 0, symbols),
        (25, 3, 0, STRINGS),
        (33, SHT_RELA, 0, relocations),
    ]
    sections, body = [struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)], b""
    for name, kind, flags, data in contents:
        sections.append(struct.pack("<IIQQQQIIQQ", name, kind, flags, 0x401000, at + len(body), len(data), 4, 1, 8, 24))
        body += data
    sections.append(struct.pack("<IIQQQQIIQQ", 44, SHT_NOBITS, 3, 0x402000, at + len(body), 64, 0, 0, 8, 0))
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, 0x401000, 64, at + len(body), 0, 64, 56, 1, 64, len(sections), 2
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, at, 0x401000 + at % 4096, 0, 16, 16, 4096)
    return header + segment + body + b"".join(sections)


def read_all(data: bytes) -> None:
    """All that the toolchain ever asks of an ELF file."""
    try:
        parsed = ElfFile(data, "file.elf")
        parsed.symbols()
        parsed.symbol_table(SHT_DYNSYM)
        for section in parsed.sections:
            parsed.content(section)
            if section.type == SHT_RELA:
                parsed.relocations(section)
    except BadInputError as error:
        assert "file.elf" in error.message


def test_the_small_one_is_whole() -> None:
    parsed = ElfFile(small(), "file.elf")
    assert [one.name for one in parsed.sections] == ["", ".text", ".shstrtab", ".symtab", ".strtab", ".rela.text", ".bss"]
    assert [one.name for one in parsed.symbols()] == ["main"]
    assert len(parsed.segments) == 1


@given(any_input([small()]))
def test_any_bytes(data: bytes) -> None:
    read_all(data)


@given(
    st.integers(0, len(small()) - 8),
    st.sampled_from([0, 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1]),
    st.sampled_from([1, 2, 4, 8]),
)
def test_every_field_with_odd_numbers(at: int, value: int, width: int) -> None:
    data = bytearray(small())
    data[at : at + width] = (value & (1 << 8 * width) - 1).to_bytes(width, "little")
    read_all(bytes(data))


@given(any_input([small()]))
def test_cutting_into_pieces(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "image.elf"
        file.write_bytes(data)
        for cut in (lambda: pieces_of(file, ["zlib"]), lambda: pieces_of_module(file, None)):
            try:
                found = cut()
            except BadInputError as error:
                assert "image.elf" in error.message
            else:
                assert sum(len(one.data) for one in found) <= 2 * len(data) + 4096 * len(found) * 2
