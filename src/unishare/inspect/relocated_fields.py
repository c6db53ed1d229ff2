"""Bytes of a program that depend on where it was linked, and a page without them: what alignment would make equal.

Where the linker kept its relocation records (`ld --emit-relocs`), the fields are theirs. Records that only a loader needs name few of the fields; beside them
they are guessed, by what the linker writes in small-model code: 4 bytes behind a call, a jump or a RIP-relative operand that lead into the image, and aligned
words that are addresses in it. A guess can take a few plain bytes for a field, so `equal after ignoring fields` is an upper bound then.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_left
from collections.abc import Iterator

from unishare.formats.addresses import PAGE
from unishare.formats.elf import SHF_ALLOC, SHT_RELA, ElfFile
from unishare.inspect.memory_image import MemoryImage

# psABI x86-64, table 4.10: bytes of the field that a relocation type fills in.
_FIELD_SIZE = {1: 8, 2: 4, 3: 4, 4: 4, 8: 8, 9: 4, 10: 4, 11: 4, 24: 8, 37: 8, 41: 4, 42: 4}
# call, jmp; the second byte of jcc; ModRM of a RIP-relative operand (mod 0, r/m 5).
_BEFORE_FIELD = re.compile(rb"[\xe8\xe9]|(?<=\x0f)[\x80-\x8f]|[\x05\x0d\x15\x1d\x25\x2d\x35\x3d]")
_WORD = struct.Struct("<I")
# An address below it could be any small number.
LEAST_ADDRESS = 0x10000


class RelocatedFields:
    """The fields of one image: stretches of bytes by address, and whether they are guesses."""

    def __init__(self, image: MemoryImage) -> None:
        self._known = sorted(set(_recorded(image.elf))) if image.elf else []
        self.guessed = image.elf is not None and not any(
            section.type == SHT_RELA and section.size and not section.flags & SHF_ALLOC for section in image.elf.sections
        )
        addresses = [page.address for page in image.pages]
        self._low = max(LEAST_ADDRESS, min(addresses, default=0))
        self._high = max(addresses, default=0) + PAGE
        self._is_program = image.elf is not None

    def masked(self, address: int, page: bytes) -> bytes:
        """A page whose fields are zeros."""
        if not self._is_program:
            return page
        masked = bytearray(page)
        for start, size in self._of_page(address, page):
            low, high = max(0, start), min(PAGE, start + size)
            masked[low:high] = bytes(high - low)
        return bytes(masked)

    def _of_page(self, address: int, page: bytes) -> Iterator[tuple[int, int]]:
        if self.guessed:
            yield from self._guesses(address, page)
        # A field can begin up to 7 bytes before the page.
        for place in range(bisect_left(self._known, (address - 7, 0)), len(self._known)):
            start, size = self._known[place]
            if start >= address + PAGE:
                return
            yield start - address, size

    def _guesses(self, address: int, page: bytes) -> Iterator[tuple[int, int]]:
        for found in _BEFORE_FIELD.finditer(page, 0, PAGE - 4):
            field = found.end()
            target = address + field + 4 + _signed(page, field)
            if self._low <= target < self._high:
                yield field, 4
        for field in range(0, PAGE, 4):
            if self._low <= _WORD.unpack_from(page, field)[0] < self._high:
                yield field, 4


def _signed(page: bytes, place: int) -> int:
    return int.from_bytes(page[place : place + 4], "little", signed=True)


def _recorded(elf: ElfFile) -> Iterator[tuple[int, int]]:
    """Addresses and sizes of the fields that the file's records name; in linked files offsets are addresses (gABI, Relocation)."""
    for section in elf.sections:
        if section.type == SHT_RELA:
            for record in elf.relocations(section):
                if size := _FIELD_SIZE.get(record.type):
                    yield record.offset, size
