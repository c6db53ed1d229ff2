"""Which pages of a module the loader writes: read from the image's relocation records (docs/formats/aslr.md)."""

from __future__ import annotations

import struct

from unishare.errors import BadInputError
from unishare.toolchain.address_space import PAGE

RECORD = struct.Struct("<IIQq")


def pages_written(records: bytes, module: int) -> frozenset[int]:
    """Page numbers, within a module, of its relocated places."""
    if len(records) % RECORD.size:
        raise BadInputError("the relocations are not whole records", "Build the image again.")
    return frozenset(offset // PAGE for number, _, offset, _ in RECORD.iter_unpack(records) if number == module)
