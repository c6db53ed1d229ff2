"""Steps from bytes to bytes: key streams, substitution boxes, permutations of blocks."""

from __future__ import annotations

from random import Random

from unishare.evaluation.population.c_text import MASK, fill, table, unsigned
from unishare.evaluation.population.shapes import Shape
from unishare.evaluation.population.step import Step


class BytesStep(Step):
    does = "bytes to bytes"
    takes = Shape.BYTES
    gives = Shape.BYTES


class KeyStream(BytesStep):
    does = "mix the bytes with the stream of a generator"

    def __init__(self, random: Random) -> None:
        self.key = random.randint(1, MASK)
        self.a, self.b, self.c = random.choice([(13, 17, 5), (7, 1, 9), (5, 19, 7), (3, 23, 25), (1, 5, 19), (17, 15, 23)])
        self.add = random.random() < 0.5

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                uint32_t key = @key@;

                for (size_t i = 0; i < in->size; i++) {
                    key ^= key << @a@;
                    key ^= key >> @b@;
                    key ^= key << @c@;
                    append_byte(out, in->data[i] @operator@ (key >> 11 & 255));
                }
                return 0;
            }
            """,
            name=name, key=unsigned(self.key), a=self.a, b=self.b, c=self.c, operator="+" if self.add else "^",
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        key, out = self.key, bytearray()
        for byte in data:
            key ^= key << self.a & MASK
            key ^= key >> self.b
            key ^= key << self.c & MASK
            stream = key >> 11 & 255
            out.append((byte + stream if self.add else byte ^ stream) & 255)
        return bytes(out)


class Boxes(BytesStep):
    does = "substitute bytes by boxes that follow each other"

    def __init__(self, random: Random) -> None:
        self.boxes = [random.sample(range(256), 256) for _ in range(random.randint(1, 3))]
        self.chained = random.random() < 0.5

    def c_source(self, name: str) -> str:
        return fill(
            """
            static const unsigned char @name@_boxes[][256] = {
                @boxes@
            };

            static int @name@(const struct bytes *in, struct bytes *out)
            {
                unsigned char last = 0;

                for (size_t i = 0; i < in->size; i++) {
                    unsigned char byte = @name@_boxes[i % @count@][in->data[i] ^ last];

                    append_byte(out, byte);
                    @chain@
                }
                return 0;
            }
            """,
            name=name,
            boxes="\n".join("{\n    " + table(box).replace("\n", "\n    ") + "\n}," for box in self.boxes),
            count=len(self.boxes),
            chain="last = byte;" if self.chained else "(void)last;",
        )

    def evaluate(self, data: bytes) -> bytes:
        last, out = 0, bytearray()
        for at, byte in enumerate(data):
            out.append(self.boxes[at % len(self.boxes)][byte ^ last])
            last = out[-1] if self.chained else 0
        return bytes(out)


class Blocks(BytesStep):
    does = "permute and turn the bytes of blocks, round by round"

    def __init__(self, random: Random) -> None:
        self.size = random.choice([4, 6, 8, 12, 16])
        self.places = random.sample(range(self.size), self.size)
        self.turns = [random.randint(0, 7) for _ in range(self.size)]
        self.rounds = random.randint(1, 6)
        self.added = [random.randint(0, 255) for _ in range(self.rounds)]

    def c_source(self, name: str) -> str:
        moves = [
            f"to[{at}] = (unsigned char)((from[{place}] << {turn} | from[{place}] >> {8 - turn}) + added[round]);"
            if turn
            else f"to[{at}] = (unsigned char)(from[{place}] + added[round]);"
            for at, (place, turn) in enumerate(zip(self.places, self.turns, strict=True))
        ]
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                static const unsigned char added[] = {@added@};

                for (size_t at = 0; at < in->size; at += @size@) {
                    unsigned char from[@size@] = {0}, to[@size@];

                    memcpy(from, in->data + at, in->size - at < @size@ ? in->size - at : @size@);
                    for (int round = 0; round < @rounds@; round++) {
                        @moves@
                        memcpy(from, to, @size@);
                    }
                    append(out, from, @size@);
                }
                return 0;
            }
            """,
            name=name, added=table(self.added), size=self.size, rounds=self.rounds, moves="\n".join(moves),
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        out = b""
        for at in range(0, len(data), self.size):
            block = data[at : at + self.size].ljust(self.size, b"\0")
            for added in self.added:
                block = bytes(
                    ((block[place] << turn | block[place] >> (8 - turn)) & 255) + added & 255
                    for place, turn in zip(self.places, self.turns, strict=True)
                )
            out += block
        return out
