"""Steps that compute checksums by libraries."""

from __future__ import annotations

import zlib
from random import Random

from unishare.evaluation.population.c_text import MASK, fill, unsigned
from unishare.evaluation.population.shapes import Shape
from unishare.evaluation.population.step import Step


class ZlibChecks(Step):
    does = "compute the checksums of growing beginnings by zlib"
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


class XxHash(Step):
    does = "hash the lines by xxHash with seeds of its own"
    takes = Shape.TEXT
    gives = Shape.NUMBERS
    libraries = ("xxhash",)
    headers = ("xxhash.h",)
    _PRIMES = (2654435761, 2246822519, 3266489917, 668265263, 374761393)

    def __init__(self, random: Random) -> None:
        self.seed = random.randint(0, MASK)
        self.most = random.randint(4, 50)
        self.chained = random.random() < 0.5

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                struct numbers numbers = {0};
                uint32_t seed = @seed@;

                for (size_t at = 0, length; numbers.count < @most@ && (at < in->size || !at); at += length + 1) {
                    length = line_length(in, at);
                    numbers.at[numbers.count++] = XXH32(in->data + at, length, seed);
                    @chain@
                }
                write_numbers(&numbers, out);
                return 0;
            }
            """,
            name=name, seed=unsigned(self.seed), most=self.most,
            chain="seed = numbers.at[numbers.count - 1];" if self.chained else "",
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        lines = data.split(b"\n")
        if lines[-1] == b"" and len(lines) > 1:
            lines.pop()
        seed, out = self.seed, []
        for line in lines[: self.most]:
            out.append(self._hash(line, seed))
            seed = out[-1] if self.chained else seed
        return " ".join(map(str, out)).encode()

    def _hash(self, data: bytes, seed: int) -> int:
        """XXH32, as its specification says."""
        prime1, prime2, prime3, prime4, prime5 = self._PRIMES
        lanes = [seed + prime1 + prime2, seed + prime2, seed, seed - prime1]
        at = 0
        while at + 16 <= len(data):
            for lane in range(4):
                word = int.from_bytes(data[at : at + 4], "little")
                lanes[lane] = _rotate(lanes[lane] + word * prime2, 13) * prime1
                at += 4
        value = sum(_rotate(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18), strict=True)) if at else seed + prime5
        value += len(data)
        while at + 4 <= len(data):
            value = _rotate(value + int.from_bytes(data[at : at + 4], "little") * prime3, 17) * prime4
            at += 4
        for byte in data[at:]:
            value = _rotate(value + byte * prime5, 11) * prime1
        value &= MASK
        value = (value ^ value >> 15) * prime2 & MASK
        value = (value ^ value >> 13) * prime3 & MASK
        return value ^ value >> 16


def _rotate(value: int, by: int) -> int:
    value &= MASK
    return (value << by | value >> (32 - by)) & MASK


class QrWidths(Step):
    does = "encode the lines as QR codes by libqrencode and give their widths"
    takes = Shape.TEXT
    gives = Shape.NUMBERS
    libraries = ("qrencode",)
    headers = ("qrencode.h",)
    # How many bytes versions 1, 2, ... of a level hold (ISO/IEC 18004, table 7).
    _CAPACITIES = {
        "L": (17, 32, 53, 78, 106, 134),
        "M": (14, 26, 42, 62, 84, 106),
        "Q": (11, 20, 32, 46, 60, 74),
        "H": (7, 14, 24, 34, 44, 58),
    }

    def __init__(self, random: Random) -> None:
        self.level = random.choice(list(self._CAPACITIES))
        self.longest = random.randint(20, self._CAPACITIES[self.level][-1])
        self.most = random.randint(1, 4)
        self.unit = random.randint(1, 1000)

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                struct numbers numbers = {.count = 1, .at = {@unit@}};

                for (size_t at = 0, length; numbers.count <= @most@ && at < in->size; at += length + 1) {
                    QRcode *code;

                    length = line_length(in, at);
                    if (!length)
                        continue;
                    code = QRcode_encodeData(length < @longest@ ? (int)length : @longest@, in->data + at, 0, QR_ECLEVEL_@level@);
                    if (!code)
                        return 254;
                    numbers.at[numbers.count++] = (uint32_t)code->width * @unit@;
                    QRcode_free(code);
                }
                write_numbers(&numbers, out);
                return 0;
            }
            """,
            name=name, unit=self.unit, most=self.most, longest=self.longest, level=self.level,
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        lines = [line for line in data.split(b"\n") if line][: self.most]
        return " ".join(
            map(str, [self.unit, *(self._width(min(len(line), self.longest)) * self.unit for line in lines)])
        ).encode()

    def _width(self, length: int) -> int:
        version = 1 + sum(length > capacity for capacity in self._CAPACITIES[self.level])
        return 17 + 4 * version
