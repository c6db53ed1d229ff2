"""ELF files that a linker did not write: parsed, or refused by one `BadInputError` that names the file."""

from __future__ import annotations

import struct
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.mutations import any_input
from unishare.errors import BadInputError
from unishare.formats.elf import SHF_COMPRESSED, SHT_DYNSYM, SHT_NOBITS, SHT_RELA, SHT_SYMTAB, ElfFile
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


def many_sections(count: int) -> bytes:
    """An object with more sections than 16 bits count, as the assembler writes it: e_shnum is 0, and symbols have their sections elsewhere."""
    with tempfile.TemporaryDirectory() as folder:
        lines = [f'.section .text.f{number},"ax"\n.globl f{number}\nf{number}: ret\n' for number in range(count)]
        source, output = Path(folder) / "many.s", Path(folder) / "many.o"
        source.write_text("".join(lines))
        subprocess.run(["as", "-o", output, source], check=True)
        return output.read_bytes()


def test_more_sections_than_16_bits_count() -> None:
    count = 65_400
    data = many_sections(count)
    assert struct.unpack_from("<H", data, 60)[0] == 0
    parsed = ElfFile(data, "many.o")
    assert len(parsed.sections) > count
    symbols = {one.name: one for one in parsed.symbols()}
    assert len(symbols) == count
    for number in (0, 100, 65_270, 65_300, count - 1):
        symbol = symbols[f"f{number}"]
        assert symbol.defined and not symbol.reserved
        assert parsed.sections[symbol.section].name == f".text.f{number}"


def test_more_segments_than_16_bits_count() -> None:
    data = bytearray(small())
    sections = struct.unpack_from("<Q", data, 40)[0]
    segments = b"".join(struct.pack("<IIQQQQQQ", 1, 5, 0, 4096 * number, 0, 0, 0, 4096) for number in range(70_000))
    struct.pack_into("<H", data, 56, 0xFFFF)
    struct.pack_into("<I", data, sections + 44, 70_000)
    struct.pack_into("<Q", data, 32, len(data))
    parsed = ElfFile(bytes(data) + segments, "file.elf")
    assert len(parsed.segments) == 70_000 and parsed.segments[-1].address == 4096 * 69_999


@pytest.mark.parametrize(
    ("at", "value", "width", "said"),
    [
        (4, 1, 1, "not an ELF file"),
        (5, 2, 1, "not an ELF file"),
        (18, 40, 2, "not an ELF file"),
        (6, 2, 1, "version"),
        (20, 2, 4, "version"),
        (58, 40, 2, "section headers of 40 bytes"),
        (54, 32, 2, "program headers of 32 bytes"),
        (60, 60_000, 2, "do not fit"),
        (62, 500, 2, "damaged"),
    ],
)
def test_what_the_gabi_allows_and_this_reader_does_not_is_named(at: int, value: int, width: int, said: str) -> None:
    data = bytearray(small())
    data[at : at + width] = value.to_bytes(width, "little")
    with pytest.raises(BadInputError, match=said):
        ElfFile(bytes(data), "file.elf")


def test_a_compressed_section_is_refused_when_it_is_read() -> None:
    data = bytearray(small())
    sections = struct.unpack_from("<Q", data, 40)[0]
    struct.pack_into("<Q", data, sections + 64 + 8, SHF_COMPRESSED)
    parsed = ElfFile(bytes(data), "file.elf")
    with pytest.raises(BadInputError, match=r"\.text is compressed"):
        parsed.content(parsed.sections[1])
