"""Steps that edit text: alphabets, lines, runs."""

from __future__ import annotations

import itertools
import string
from random import Random

from unishare.evaluation.population.c_text import character, fill, table
from unishare.evaluation.population.shapes import Shape
from unishare.evaluation.population.step import Step


class TextStep(Step):
    does = "text to text"
    takes = Shape.TEXT
    gives = Shape.TEXT


def words_of(data: bytes) -> list[bytes]:
    """What the C's next_word finds."""
    return [word for line in data.split(b"\n") for word in line.split(b" ") if word]


class Alphabet(TextStep):
    does = "replace letters by others"

    def __init__(self, random: Random) -> None:
        self.table = bytearray(range(256))
        for letters in random.choice(
            [[string.ascii_lowercase], [string.ascii_lowercase, string.ascii_uppercase], [string.digits, string.ascii_letters]]
        ):
            shuffled = list(letters)
            random.shuffle(shuffled)
            for letter, substitute in zip(letters, shuffled, strict=True):
                self.table[ord(letter)] = ord(substitute)

    def c_source(self, name: str) -> str:
        return fill(
            """
            static const unsigned char @name@_table[] = {
                @table@
            };

            static int @name@(const struct bytes *in, struct bytes *out)
            {
                for (size_t i = 0; i < in->size; i++)
                    append_byte(out, in->data[i] < ' ' ? in->data[i] : @name@_table[in->data[i] - ' ']);
                return 0;
            }
            """,
            name=name,
            table=table(self.table[32:127]),
        )

    def evaluate(self, data: bytes) -> bytes:
        return data.translate(bytes(self.table))


class Runs(TextStep):
    does = "encode runs of equal characters with their lengths"

    def __init__(self, random: Random) -> None:
        self.least = random.randint(2, 4)
        self.open, self.close = random.choice([("(", ")"), ("[", "]"), ("<", ">"), ("{", "}"), ("^", "^")])

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                for (size_t i = 0, run; i < in->size; i += run) {
                    for (run = 1; i + run < in->size && in->data[i + run] == in->data[i]; run++)
                        ;
                    if (run < @least@) {
                        append(out, in->data + i, run);
                    } else {
                        append_byte(out, in->data[i]);
                        append_byte(out, @open@);
                        append_number(out, (uint32_t)run);
                        append_byte(out, @close@);
                    }
                }
                return 0;
            }
            """,
            name=name,
            least=self.least,
            open=character(self.open),
            close=character(self.close),
        )

    def evaluate(self, data: bytes) -> bytes:
        out = bytearray()
        for byte, group in itertools.groupby(data):
            run = len(list(group))
            out += bytes([byte]) * run if run < self.least else bytes([byte]) + f"{self.open}{run}{self.close}".encode()
        return bytes(out)


class Lines(TextStep):
    does = "sort, number or reverse the lines"

    def __init__(self, random: Random) -> None:
        self.order = random.choice(["sorted", "reversed", "as they are"])
        self.first = random.randint(0, 500)
        self.step = random.randint(1, 20)
        self.mark = random.choice(":.)>|")
        self.most = random.randint(20, 60)

    def c_source(self, name: str) -> str:
        orders = {
            "sorted": f"qsort(lines, count, sizeof *lines, {name}_compare);",
            "reversed": "for (size_t i = 0; i < count / 2; i++) {\n    struct bytes kept = lines[i];\n\n"
            "    lines[i] = lines[count - 1 - i];\n    lines[count - 1 - i] = kept;\n}",
            "as they are": "",
        }
        compare = fill(
            """
            static int @name@_compare(const void *a, const void *b)
            {
                const struct bytes *left = a, *right = b;
                int order = memcmp(left->data, right->data, left->size < right->size ? left->size : right->size);

                return order ? order : (left->size > right->size) - (left->size < right->size);
            }
            """,
            name=name,
        )
        return fill(
            """
            @compare@

            static int @name@(const struct bytes *in, struct bytes *out)
            {
                struct bytes lines[@most@];
                size_t count = 0;

                for (size_t at = 0; at < in->size && count < @most@; count++) {
                    lines[count] = (struct bytes){.data = in->data + at, .size = line_length(in, at)};
                    at += lines[count].size + 1;
                }
                @order@
                for (size_t i = 0; i < count; i++) {
                    append_number(out, (uint32_t)(@first@ + i * @step@));
                    append_byte(out, @mark@);
                    append(out, lines[i].data, lines[i].size);
                    append_byte(out, '\\n');
                }
                return 0;
            }
            """,
            name=name,
            compare=compare if self.order == "sorted" else "",
            most=self.most,
            order=orders[self.order],
            first=self.first,
            step=self.step,
            mark=character(self.mark),
        )

    def evaluate(self, data: bytes) -> bytes:
        lines = data.split(b"\n")
        if lines[-1] == b"":
            lines.pop()
        lines = lines[: self.most]
        if self.order == "sorted":
            lines.sort()
        elif self.order == "reversed":
            lines.reverse()
        return b"".join(
            b"%d%s%s\n" % (self.first + number * self.step, self.mark.encode(), line) for number, line in enumerate(lines)
        )
