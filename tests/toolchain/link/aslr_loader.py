"""Loads an `aslr` image into this very process at random bases and calls a function of it: a second, independent reader of the format.

Run as a program: aslr_loader.py IMAGE_FOLDER SYMBOL ARGUMENT SEED. Prints the result.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import random
import struct
import sys
from pathlib import Path

PAGE = 4096
PROT_ALL = 7
MAP_PRIVATE_ANONYMOUS_FIXED = 0x100022


def segments(data: bytes) -> list[tuple[int, int, int, int]]:
    """offset, address, file size, memory size of each PT_LOAD."""
    start, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    found = [struct.unpack_from("<IIQQQQQQ", data, start + index * size) for index in range(count)]
    return [(one[2], one[3], one[5], one[6]) for one in found if one[0] == 1]


def symbol(data: bytes, name: str) -> int | None:
    """The value of a global symbol, by a search in .symtab's own strings."""
    from unishare.formats.elf import ElfFile

    return next((one.value for one in ElfFile(data, "module").symbols() if one.name == name and one.defined), None)


def main() -> None:
    folder, wanted, argument, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    facts = json.loads((folder / "image.json").read_text())
    files = [(folder / module["file"]).read_bytes() for module in facts["modules"]]
    draw = random.Random(seed)
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    bases = []
    for number, (module, data) in enumerate(zip(facts["modules"], files, strict=True)):
        base = 0x10_0000_0000 * (number + 1) + draw.randrange(1 << 20) * PAGE
        size = module["pages"] * PAGE
        assert libc.mmap(base, size, PROT_ALL, MAP_PRIVATE_ANONYMOUS_FIXED, -1, 0) == base
        for offset, address, file_size, _ in segments(data):
            if address < size:
                ctypes.memmove(base + address, data[offset : offset + file_size], min(file_size, size - address))
        bases.append(base)
    records = (folder / facts["relocations"]["file"]).read_bytes()
    for module, target, offset, addend in struct.iter_unpack("<IIQq", records):
        value = addend + (0 if target == 0xFFFFFFFF else bases[target])
        ctypes.c_uint64.from_address(bases[module] + offset).value = value & (1 << 64) - 1
    for base, data in zip(bases, files, strict=True):
        value = symbol(data, wanted)
        if value is not None:
            print(ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(base + value)(argument))
            return


if __name__ == "__main__":
    assert mmap.PAGESIZE == PAGE
    main()
