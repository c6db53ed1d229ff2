"""Steps that reduce bytes to hash values of their own design, and write bytes as text."""

from __future__ import annotations

from random import Random

from unishare.evaluation.population.c_text import MASK, character, fill, literal, unsigned, unsigned64, words
from unishare.evaluation.population.shapes import Shape
from unishare.evaluation.population.step import Step

MASK64 = (1 << 64) - 1


class Fnv(Step):
    does = "append a multiplicative hash of each block"
    takes = Shape.BYTES
    gives = Shape.TEXT

    def __init__(self, random: Random) -> None:
        self.offset = random.randint(1, MASK64)
        self.prime = random.randint(1 << 32, MASK64) | 1
        self.block = random.randint(16, 96)
        self.add_first = random.random() < 0.5
        self.shift = random.randint(17, 41)

    def c_source(self, name: str) -> str:
        mix = "hash ^= in->data[i];\nhash *= @prime@;" if self.add_first else "hash *= @prime@;\nhash += in->data[i];"
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                for (size_t at = 0; at < in->size || !at; at += @block@) {
                    uint64_t hash = @offset@;

                    for (size_t i = at; i < at + @block@ && i < in->size; i++) {
                        @mix@
                    }
                    hash ^= hash >> @shift@;
                    append_hexadecimal(out, hash, 16);
                    append_byte(out, '\\n');
                }
                return 0;
            }
            """,
            name=name,
            block=self.block,
            offset=unsigned64(self.offset),
            mix=mix.replace("@prime@", unsigned64(self.prime)),
            shift=self.shift,
        )

    def evaluate(self, data: bytes) -> bytes:
        out = ""
        for at in range(0, max(1, len(data)), self.block):
            value = self.offset
            for byte in data[at : at + self.block]:
                value = (value ^ byte) * self.prime if self.add_first else value * self.prime + byte
                value &= MASK64
            out += f"{value ^ value >> self.shift:016x}\n"
        return out.encode()


class Checksums(Step):
    does = "append checksums with a modulus of its own"
    takes = Shape.TEXT
    gives = Shape.TEXT

    def __init__(self, random: Random) -> None:
        self.modulus = random.choice([65521, 65519, 65497, 65479, 64999, 251, 8191])
        self.start = random.randint(1, 250)
        self.weight = random.randint(1, 40)
        self.label = random.choice(["check", "sum", "a", "seal", "tail"])

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                uint32_t a = @start@, b = 0;

                for (size_t i = 0; i < in->size; i++) {
                    a = (a + in->data[i] * @weight@u) % @modulus@;
                    b = (b + a) % @modulus@;
                }
                append(out, in->data, in->size);
                append_text(out, @label@);
                append_hexadecimal(out, b << 16 | a, 8);
                append_byte(out, '\\n');
                return 0;
            }
            """,
            name=name,
            start=self.start,
            weight=self.weight,
            modulus=self.modulus,
            label=literal(f"\n{self.label} "),
        )

    def evaluate(self, data: bytes) -> bytes:
        a, b = self.start, 0
        for byte in data:
            a = (a + byte * self.weight) % self.modulus
            b = (b + a) % self.modulus
        return data + f"\n{self.label} {b << 16 | a:08x}\n".encode()


class CyclicCode(Step):
    does = "compute a cyclic redundancy code with a polynomial of its own, by table"
    takes = Shape.BYTES
    gives = Shape.NUMBERS

    def __init__(self, random: Random) -> None:
        self.polynomial = random.randint(1, MASK) | 0x80000001
        self.start = random.choice([0, MASK, random.randint(0, MASK)])
        self.lanes = random.randint(1, 6)
        self.with_table = random.random() < 0.7

    def _table(self) -> list[int]:
        return [self._shift(byte) for byte in range(256)]

    def _shift(self, value: int) -> int:
        for _ in range(8):
            value = value >> 1 ^ (self.polynomial if value & 1 else 0)
        return value

    def c_source(self, name: str) -> str:
        by_table = fill(
            """
            static const uint32_t @name@_table[256] = {
                @table@
            };

            static uint32_t @name@_step(uint32_t value)
            {
                return @name@_table[value & 255] ^ value >> 8;
            }
            """,
            name=name,
            table=words(self._table()),
        )
        by_bits = fill(
            """
            static uint32_t @name@_step(uint32_t value)
            {
                for (int bit = 0; bit < 8; bit++)
                    value = value >> 1 ^ (@polynomial@ & -(value & 1));
                return value;
            }
            """,
            name=name,
            polynomial=unsigned(self.polynomial),
        )
        return fill(
            """
            @step@

            static int @name@(const struct bytes *in, struct bytes *out)
            {
                struct numbers numbers = {.count = @lanes@};

                for (size_t i = 0; i < @lanes@; i++)
                    numbers.at[i] = @start@;
                for (size_t i = 0; i < in->size; i++)
                    numbers.at[i % @lanes@] = @name@_step(numbers.at[i % @lanes@] ^ in->data[i]);
                write_numbers(&numbers, out);
                return 0;
            }
            """,
            name=name,
            step=by_table if self.with_table else by_bits,
            lanes=self.lanes,
            start=unsigned(self.start),
        )

    def evaluate(self, data: bytes) -> bytes:
        table = self._table()
        lanes = [self.start] * self.lanes
        for at, byte in enumerate(data):
            value = lanes[at % self.lanes] ^ byte
            lanes[at % self.lanes] = table[value & 255] ^ value >> 8
        return " ".join(map(str, lanes)).encode()


class Radix64(Step):
    does = "write bytes in base 64 or 32 with an alphabet of its own"
    takes = Shape.BYTES
    gives = Shape.TEXT
    grows = True

    def __init__(self, random: Random) -> None:
        self.bits = random.choice([4, 5, 6, 6])
        letters = [*"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"]
        random.shuffle(letters)
        self.alphabet = "".join(letters[: 1 << self.bits])
        self.line = random.choice([0, 0, 32, 60])
        self.pad = random.choice(["", "=", "."])

    def c_source(self, name: str) -> str:
        wrap = f"if (*count && *count % {self.line} == 0)\n    append_byte(out, '\\n');" if self.line else ""
        return fill(
            """
            static void @name@_put(struct bytes *out, uint32_t *count, uint32_t value)
            {
                @wrap@
                append_byte(out, @alphabet@[value & @mask@]);
                ++*count;
            }

            static int @name@(const struct bytes *in, struct bytes *out)
            {
                uint32_t held = 0, bits = 0, count = 0;

                for (size_t i = 0; i < in->size; i++) {
                    held = held << 8 | in->data[i];
                    for (bits += 8; bits >= @bits@; bits -= @bits@)
                        @name@_put(out, &count, held >> (bits - @bits@));
                }
                if (bits)
                    @name@_put(out, &count, held << (@bits@ - bits));
                @padding@
                return 0;
            }
            """,
            name=name,
            alphabet=literal(self.alphabet),
            bits=self.bits,
            mask=(1 << self.bits) - 1,
            wrap=wrap,
            padding=f"while (count++ % 4)\n    append_byte(out, {character(self.pad)});" if self.pad else "",
        )

    def evaluate(self, data: bytes) -> bytes:
        digits = -(-len(data) * 8 // self.bits)
        value = int.from_bytes(data) << (digits * self.bits - len(data) * 8)
        text = [self.alphabet[value >> self.bits * place & (1 << self.bits) - 1] for place in reversed(range(digits))]
        out = "".join(("\n" if self.line and at and at % self.line == 0 else "") + digit for at, digit in enumerate(text))
        return (out + self.pad * (-digits % 4)).encode()
