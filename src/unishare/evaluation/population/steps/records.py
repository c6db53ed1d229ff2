"""Steps on records: grouping, filtering, reporting, and taking columns out."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from unishare.evaluation.population import vocabulary
from unishare.evaluation.population.c_text import MASK, fill, literal, unsigned
from unishare.evaluation.population.expression import ExpressionLanguage, draw_expression
from unishare.evaluation.population.shapes import NUMBERS_MAX, Shape
from unishare.evaluation.population.step import Step


@dataclass(frozen=True)
class WordRecord:
    """One line of a `Shape.RECORDS`."""

    word: str
    first: int
    second: int

    @property
    def line(self) -> str:
        """The line."""
        return f"{self.word},{self.first},{self.second}\n"


def parse(data: bytes) -> list[WordRecord]:
    """The records of a `Shape.RECORDS`."""
    cells = (line.split(",") for line in data.decode().splitlines())
    return [WordRecord(word, int(first), int(second)) for word, first, second in cells]


class GroupSum(Step):
    does = "sum the records of each word by a formula"
    takes = Shape.RECORDS
    gives = Shape.PAIRS

    def __init__(self, random: Random) -> None:
        self.formula = draw_expression(random, ["first", "second"], random.randint(1, 4))
        self.groups = random.randint(5, 30)
        self.count_too = random.random() < 0.5

    def c_source(self, name: str) -> str:
        counts = "append_byte(out, '.');\nappend_number(out, counts[i]);" if self.count_too else ""
        return fill(
            """
            static uint32_t @name@_formula(uint32_t first, uint32_t second)
            {
                (void)first, (void)second;
                return @formula@;
            }

            static int @name@(const struct bytes *in, struct bytes *out)
            {
                struct record groups[@groups@], record;
                uint32_t sums[@groups@] = {0}, counts[@groups@] = {0};
                size_t count = 0, i;

                for (size_t at = 0; next_record(in, &at, &record); ) {
                    for (i = 0; i < count; i++)
                        if (groups[i].length == record.length && !memcmp(groups[i].word, record.word, record.length))
                            break;
                    if (i == @groups@)
                        continue;
                    if (i == count)
                        groups[count++] = record;
                    sums[i] += @name@_formula(record.first, record.second);
                    counts[i]++;
                }
                (void)counts;
                for (i = 0; i < count; i++) {
                    append(out, groups[i].word, groups[i].length);
                    append_byte(out, '=');
                    append_number(out, sums[i]);
                    @counts@
                    append_byte(out, '\\n');
                }
                return 0;
            }
            """,
            name=name, formula=self.formula.text(ExpressionLanguage.C), groups=self.groups, counts=counts,
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        sums: dict[str, int] = {}
        counts: dict[str, int] = {}
        for record in parse(data):
            if record.word not in sums and len(sums) == self.groups:
                continue
            value = self.formula.evaluate({"first": record.first, "second": record.second})
            sums[record.word] = sums.get(record.word, 0) + value & MASK
            counts[record.word] = counts.get(record.word, 0) + 1
        return "".join(
            f"{word}={total}{f'.{counts[word]}' if self.count_too else ''}\n" for word, total in sums.items()
        ).encode()


class Select(Step):
    does = "keep the records that satisfy a condition, and compute their columns anew"
    takes = Shape.RECORDS
    gives = Shape.RECORDS

    def __init__(self, random: Random) -> None:
        names = ["first", "second", "line"]
        self.condition = draw_expression(random, names, random.randint(2, 4))
        self.modulus = random.randint(3, 9)
        self.refused = random.randrange(self.modulus)
        self.first, self.second = (draw_expression(random, names, random.randint(1, 4)) for _ in range(2))

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                struct record record;
                uint32_t line = 0;

                for (size_t at = 0; next_record(in, &at, &record); line++) {
                    uint32_t first = record.first, second = record.second;

                    (void)first, (void)second;
                    if (@condition@ % @modulus@ == @refused@)
                        continue;
                    record.first = @first@;
                    record.second = @second@;
                    write_record(out, &record);
                }
                return 0;
            }
            """,
            name=name, condition=self.condition.text(ExpressionLanguage.C), modulus=self.modulus, refused=self.refused,
            first=self.first.text(ExpressionLanguage.C), second=self.second.text(ExpressionLanguage.C),
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        out = ""
        for line, record in enumerate(parse(data)):
            values = {"first": record.first, "second": record.second, "line": line}
            if self.condition.evaluate(values) % self.modulus != self.refused:
                out += WordRecord(record.word, self.first.evaluate(values), self.second.evaluate(values)).line
        return out.encode()


class Column(Step):
    does = "take a column of the records as numbers"
    takes = Shape.RECORDS
    gives = Shape.NUMBERS

    def __init__(self, random: Random) -> None:
        self.formula = draw_expression(random, ["first", "second", "length"], random.randint(1, 3))
        self.otherwise = random.randint(0, 1000)

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                struct numbers numbers = {0};
                struct record record;

                for (size_t at = 0; numbers.count < @most@ && next_record(in, &at, &record); ) {
                    uint32_t first = record.first, second = record.second, length = (uint32_t)record.length;

                    (void)first, (void)second, (void)length;
                    numbers.at[numbers.count++] = @formula@;
                }
                if (!numbers.count)
                    numbers.at[numbers.count++] = @otherwise@;
                write_numbers(&numbers, out);
                return 0;
            }
            """,
            name=name, most=NUMBERS_MAX, formula=self.formula.text(ExpressionLanguage.C), otherwise=unsigned(self.otherwise),
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        values = [
            self.formula.evaluate({"first": record.first, "second": record.second, "length": len(record.word)})
            for record in parse(data)[:NUMBERS_MAX]
        ]
        return " ".join(map(str, values or [self.otherwise])).encode()


class Report(Step):
    does = "write a line of text for each record by a template"
    takes = Shape.RECORDS
    gives = Shape.TEXT
    grows = True

    def __init__(self, random: Random) -> None:
        self.pieces = [vocabulary.sentence(random, random.randint(1, 3)) + " " for _ in range(random.randint(3, 6))]
        self.fields = [random.choice(["word", "first", "second"]) for _ in self.pieces]
        self.title = vocabulary.sentence(random, 4)

    def c_source(self, name: str) -> str:
        fields = {
            "word": "append(out, record.word, record.length);",
            "first": "append_number(out, record.first);",
            "second": "append_number(out, record.second);",
        }
        lines = [
            f"append_text(out, {literal(piece)});\n{fields[field]}"
            for piece, field in zip(self.pieces, self.fields, strict=True)
        ]
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                struct record record;

                append_text(out, @title@);
                for (size_t at = 0; next_record(in, &at, &record); ) {
                    append_byte(out, '\\n');
                    @lines@
                }
                return 0;
            }
            """,
            name=name, title=literal(self.title), lines="\n".join(lines),
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        out = self.title
        for record in parse(data):
            out += "\n" + "".join(
                f"{piece}{getattr(record, field)}" for piece, field in zip(self.pieces, self.fields, strict=True)
            )
        return out.encode()
