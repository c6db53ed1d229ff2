"""Steps on keys and values: lookups in a file, renaming, templates, numbers."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from unishare.evaluation.population import vocabulary
from unishare.evaluation.population.c_text import MASK, fill, literal, unsigned
from unishare.evaluation.population.shapes import Shape
from unishare.evaluation.population.step import Step


def parse(data: bytes) -> list[tuple[str, str]]:
    """The pairs of a `Shape.PAIRS`."""
    cells = (line.split("=", 1) for line in data.decode().splitlines())
    return [(key, value) for key, value in cells]


class Weigh(Step):
    does = "weigh each value by its key"
    takes = Shape.PAIRS
    gives = Shape.NUMBERS

    def __init__(self, random: Random) -> None:
        self.key_factor = random.randint(1, MASK) | 1
        self.value_factor = random.randint(1, 1000)
        self.first = random.randint(0, MASK)

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                struct numbers numbers = {.count = 1, .at = {@first@}};

                for (size_t at = 0; at < in->size && numbers.count < 64; ) {
                    size_t end = at + line_length(in, at);
                    uint32_t weight = 1, value = 0;

                    for (; in->data[at] != '='; at++)
                        weight = weight * @key_factor@ + in->data[at];
                    for (at++; at < end; at++)
                        if (in->data[at] >= '0' && in->data[at] <= '9')
                            value = value * 10 + (in->data[at] - '0');
                    at = end + 1;
                    numbers.at[numbers.count++] = weight ^ value * @value_factor@;
                }
                write_numbers(&numbers, out);
                return 0;
            }
            """,
            name=name, first=unsigned(self.first), key_factor=unsigned(self.key_factor), value_factor=unsigned(self.value_factor),
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        numbers = [self.first]
        for key, value in parse(data)[:63]:
            weight = 1
            for byte in key.encode():
                weight = weight * self.key_factor + byte & MASK
            number = int("".join(character for character in value if character in "0123456789") or "0") & MASK
            numbers.append(weight ^ number * self.value_factor & MASK)
        return " ".join(map(str, numbers)).encode()


class Letter(Step):
    does = "fill a letter with the pairs"
    takes = Shape.PAIRS
    gives = Shape.TEXT
    grows = True

    def __init__(self, random: Random) -> None:
        self.greeting = vocabulary.sentence(random, random.randint(2, 6))
        self.before, self.between, self.after = (f" {vocabulary.sentence(random, 2)} " for _ in range(3))
        self.closing = vocabulary.sentence(random, random.randint(2, 6))
        self.value_first = random.random() < 0.4

    def c_source(self, name: str) -> str:
        key, value = "append(out, in->data + at, middle - at);", "append(out, in->data + middle + 1, end - middle - 1);"
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                uint32_t count = 0;

                append_text(out, @greeting@);
                for (size_t at = 0, end; at < in->size; at = end + 1, count++) {
                    size_t middle = at;

                    end = at + line_length(in, at);
                    while (in->data[middle] != '=')
                        middle++;
                    append_text(out, @before@);
                    @first@
                    append_text(out, @between@);
                    @second@
                    append_text(out, @after@);
                }
                append_byte(out, '\\n');
                append_number(out, count);
                append_text(out, @closing@);
                return 0;
            }
            """,
            name=name,
            greeting=literal(self.greeting),
            before=literal("\n" + self.before),
            between=literal(self.between),
            after=literal(self.after),
            closing=literal(" " + self.closing),
            first=value if self.value_first else key,
            second=key if self.value_first else value,
        )

    def evaluate(self, data: bytes) -> bytes:
        pairs = parse(data)
        out = self.greeting
        for key, value in pairs:
            first, second = (value, key) if self.value_first else (key, value)
            out += f"\n{self.before}{first}{self.between}{second}{self.after}"
        return f"{out}\n{len(pairs)} {self.closing}".encode()


class Translate(Step):
    does = "translate the words by a dictionary in a file"
    takes = Shape.PAIRS
    gives = Shape.PAIRS

    def __init__(self, random: Random) -> None:
        self.places = random.randint(20, 120)
        self.words = [vocabulary.word(random) for _ in range(self.places)]
        self.factor = random.randint(3, 65_000) | 1

    def files(self, name: str) -> Mapping[str, bytes]:
        return {f"{name}.txt": "".join(f"{word}\n" for word in self.words).encode()}

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                static struct bytes dictionary;

                if (!dictionary.size && !read_file("/app/@name@.txt", &dictionary))
                    return 254;
                for (size_t at = 0, end; at < in->size; at = end + 1) {
                    size_t word = 0, i;
                    uint32_t place = 0;

                    end = at + line_length(in, at);
                    for (i = at; in->data[i] != '='; i++)
                        place = place * @factor@ + in->data[i];
                    for (place %= @places@; place; place--)
                        word += line_length(&dictionary, word) + 1;
                    append(out, dictionary.data + word, line_length(&dictionary, word));
                    append(out, in->data + i, end - i);
                    append_byte(out, '\\n');
                }
                return 0;
            }
            """,
            name=name, factor=unsigned(self.factor), places=self.places,
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        out = ""
        for key, value in parse(data):
            place = 0
            for byte in key.encode():
                place = place * self.factor + byte & MASK
            out += f"{self.words[place % self.places]}={value}\n"
        return out.encode()
