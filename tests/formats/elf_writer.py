"""Writes small ELF files byte by byte, sound and unsound ones."""

from __future__ import annotations

import struct
from dataclasses import dataclass

PAGE = 4096
HEADER, SEGMENT, SECTION = struct.Struct("<16sHHIQQQIHHHHHH"), struct.Struct("<IIQQQQQQ"), struct.Struct("<IIQQQQIIQQ")


@dataclass
class Load:
    """A PT_LOAD segment; the numbers that are not given follow from the content."""

    address: int
    content: bytes
    memory: int | None = None
    file_size: int | None = None
    flags: int = 5


def elf_file(loads: list[Load], *, machine: int = 62, sections: list[tuple[str, int, int, bytes]] | None = None) -> bytes:
    """Segments at page boundaries of the file; `sections`: (name, type, address, content), each in bytes of its own."""
    data = bytearray(HEADER.size + len(loads) * SEGMENT.size)
    records = []
    for load in loads:
        data += bytes(-len(data) % PAGE + load.address % PAGE)
        size = len(load.content) if load.file_size is None else load.file_size
        memory = len(load.content) if load.memory is None else load.memory
        records.append(SEGMENT.pack(1, load.flags, len(data), load.address, load.address, size, memory, PAGE))
        data += load.content
    names = b"\0" + b"".join(name.encode() + b"\0" for name, *_ in sections or []) + b".names\0"
    table = [SECTION.pack(*(0,) * 10)]
    for name, kind, address, content in sections or []:
        flags = 2 if address else 0
        table.append(
            SECTION.pack(
                names.index(b"\0" + name.encode() + b"\0") + 1, kind, flags, address, len(data), len(content), 0, 0, 1, 24
            )
        )
        data += content if not address else b""
    if sections:
        table.append(SECTION.pack(names.index(b"\0.names\0") + 1, 3, 0, 0, len(data), len(names), 0, 0, 1, 0))
        data += names
    place = len(data) if sections else 0
    data += b"".join(table) if sections else b""
    count = len(table) if sections else 0
    data[: HEADER.size] = HEADER.pack(
        b"\x7fELF\x02\x01\x01" + bytes(9), 2, machine, 1, loads[0].address if loads else 0, HEADER.size, place, 0, HEADER.size,
        SEGMENT.size, len(loads), SECTION.size, count, max(0, count - 1),
    )  # fmt: skip
    data[HEADER.size : HEADER.size + len(loads) * SEGMENT.size] = b"".join(records)
    return bytes(data)
