"""Steps that compute checksums by libraries."""

from __future__ import annotations

import zlib
from random import Random

from unishare.population.c_text import MASK, fill, unsigned
from unishare.population.shapes import Shape
from unishare.population.step import Step


class ZlibChecks(Step):
    """Compute the checksums of growing beginnings by zlib."""

    takes = Shape.BYTES
    gives = Shape.NUMBERS
    libraries = ("zlib",)
    headers = ("zlib.h",)

    def __init__(self, random: Random) -> None:
        self.block = random.randint(16, 100)
        self.start = random.randint(0, MASK)
        self.adler = random.random() < 0.5
        self.most = random.randint(3, 40)

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                struct numbers numbers = {0};
                uLong check = @start@;

                for (size_t at = 0; numbers.count < @most@ && (at < in->size || !at); at += @block@) {
                    check = @function@(check, in->data + at, (uInt)(in->size - at < @block@ ? in->size - at : @block@));
                    numbers.at[numbers.count++] = (uint32_t)check;
                }
                write_numbers(&numbers, out);
                return 0;
            }
            """,
            name=name, start="1" if self.adler else unsigned(self.start), most=self.most, block=self.block,
            function="adler32" if self.adler else "crc32",
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        check, out = 1 if self.adler else self.start, []
        for at in range(0, max(1, len(data)), self.block)[: self.most]:
            block = data[at : at + self.block]
            check = zlib.adler32(block, check) if self.adler else zlib.crc32(block, check)
            out.append(check)
        return " ".join(map(str, out)).encode()
