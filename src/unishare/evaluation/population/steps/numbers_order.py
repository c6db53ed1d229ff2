"""Steps that sort, count and sum up the numbers."""

from __future__ import annotations

from random import Random
from typing import ClassVar

from unishare.evaluation.population.c_text import MASK, fill, unsigned, words
from unishare.evaluation.population.shapes import Shape
from unishare.evaluation.population.step import Step
from unishare.evaluation.population.steps.numbers_map import NumbersStep, parse


class Sort(NumbersStep):
    does = "sort the numbers by a key of its own"
    _LOOPS: ClassVar[dict[str, str]] = {
        "insertion": """
            for (size_t i = 1; i < numbers.count; i++)
                for (size_t j = i; j && @name@_before(numbers.at[j], numbers.at[j - 1]); j--)
                    @swap@
        """,
        "selection": """
            for (size_t i = 0; i < numbers.count; i++)
                for (size_t j = i + 1; j < numbers.count; j++)
                    if (@name@_before(numbers.at[j], numbers.at[i]))
                        @swap_both@
        """,
        "shell": """
            for (size_t gap = @gap@; gap; gap = gap == 2 ? 1 : gap * 5 / 11)
                for (size_t i = gap; i < numbers.count; i++)
                    for (size_t j = i; j >= gap && @name@_before(numbers.at[j], numbers.at[j - gap]); j -= gap)
                        @swap_gap@
        """,
        "library": """
            qsort(numbers.at, numbers.count, sizeof *numbers.at, @name@_compare);
        """,
    }

    def __init__(self, random: Random) -> None:
        self.algorithm = random.choice(list(self._LOOPS))
        self.salt = random.randint(0, MASK) if random.random() < 0.4 else 0
        self.modulus = random.choice([0, 0, 10, 97, 1000])
        self.falling = random.random() < 0.4
        self.unique = random.random() < 0.4
        self.gap = random.choice([23, 29, 35])

    def c_source(self, name: str) -> str:
        swap = "{{ uint32_t kept = numbers.at[{0}]; numbers.at[{0}] = numbers.at[{1}]; numbers.at[{1}] = kept; }}"
        loop = fill(
            self._LOOPS[self.algorithm], name=name, gap=self.gap, swap=swap.format("j", "j - 1"),
            swap_both=swap.format("i", "j"), swap_gap=swap.format("j", "j - gap"),
        )  # fmt: skip
        before = fill(
            """
            static int @name@_before(uint32_t a, uint32_t b)
            {
                uint64_t left = @left@, right = @right@;

                return left @sign@ right;
            }
            @compare@
            """,
            name=name,
            left=self._key("a"),
            right=self._key("b"),
            sign=">" if self.falling else "<",
            compare=self._compare(name) if self.algorithm == "library" else "",
        )
        if self.unique:
            loop += fill(
                """
                for (size_t i = 1, kept = 1; ; i++) {
                    if (i >= numbers.count) {
                        numbers.count = kept;
                        break;
                    }
                    if (numbers.at[i] != numbers.at[kept - 1])
                        numbers.at[kept++] = numbers.at[i];
                }
                """
            )
        return self._in_place(name, loop, before)

    def _key(self, variable: str) -> str:
        value = f"({variable} ^ {unsigned(self.salt)})" if self.salt else variable
        return f"(uint64_t)({value} % {self.modulus}) << 32 | {value}" if self.modulus else value

    @staticmethod
    def _compare(name: str) -> str:
        return fill(
            """
            static int @name@_compare(const void *a, const void *b)
            {
                const uint32_t *left = a, *right = b;

                return @name@_before(*right, *left) - @name@_before(*left, *right);
            }
            """,
            name=name,
        )

    def values(self, numbers: list[int]) -> list[int]:
        def key(value: int) -> tuple[int, int]:
            salted = value ^ self.salt
            return salted % self.modulus if self.modulus else 0, salted

        ordered = sorted(numbers, key=key, reverse=self.falling)
        return list(dict.fromkeys(ordered)) if self.unique else ordered


class Histogram(NumbersStep):
    does = "count the numbers in buckets"

    def __init__(self, random: Random) -> None:
        scale = random.choice([100, 10_000, MASK])
        self.bounds = sorted(random.sample(range(1, scale), random.randint(3, 12)))
        self.weights = [random.randint(1, 1000) for _ in range(len(self.bounds) + 1)]

    def c_source(self, name: str) -> str:
        lines = [f"if (x < {unsigned(bound)})\n    return {place};" for place, bound in enumerate(self.bounds)]
        before = fill(
            """
            static const uint32_t @name@_weights[] = {@weights@};

            static int @name@_bucket(uint32_t x)
            {
                @lines@
                return @last@;
            }
            """,
            name=name,
            weights=words(self.weights),
            lines="\n".join(lines),
            last=len(self.bounds),
        )
        body = fill(
            """
            for (size_t i = 0; i < numbers.count; i++) {
                int bucket = @name@_bucket(numbers.at[i]);

                counts[bucket] += @name@_weights[bucket];
            }
            numbers.count = @count@;
            memcpy(numbers.at, counts, sizeof counts);
            """,
            name=name,
            count=len(self.weights),
        )
        return self._in_place(name, body, before, f"uint32_t counts[{len(self.weights)}] = {{0}};")

    def values(self, numbers: list[int]) -> list[int]:
        counts = [0] * len(self.weights)
        for number in numbers:
            bucket = sum(number >= bound for bound in self.bounds)
            counts[bucket] += self.weights[bucket]
        return counts


class Statistics(Step):
    does = "report statistics of the numbers"
    takes = Shape.NUMBERS
    gives = Shape.PAIRS
    _FIGURES: ClassVar[dict[str, str]] = {
        "count": "(uint32_t)numbers.count",
        "sum": "sum",
        "mean": "(uint32_t)(total / numbers.count)",
        "least": "least",
        "most": "most",
        "range": "most - least",
        "odd": "odd",
        "mixed": "mixed",
    }

    def __init__(self, random: Random) -> None:
        self.figures = random.sample(list(self._FIGURES), random.randint(3, 7))
        self.factor = random.randint(3, MASK) | 1

    def c_source(self, name: str) -> str:
        lines = [
            f"append_text(out, \"{figure}=\");\nappend_number(out, {self._FIGURES[figure]});\nappend_byte(out, '\\n');"
            for figure in self.figures
        ]
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                uint32_t sum = 0, least = UINT32_MAX, most = 0, odd = 0, mixed = 0;
                struct numbers numbers;
                uint64_t total = 0;

                read_numbers(in, &numbers);
                for (size_t i = 0; i < numbers.count; i++) {
                    uint32_t x = numbers.at[i];

                    sum += x;
                    total += x;
                    least = x < least ? x : least;
                    most = x > most ? x : most;
                    odd += x & 1;
                    mixed = (mixed ^ x) * @factor@;
                }
                (void)sum, (void)total, (void)least, (void)most, (void)odd, (void)mixed;
                @lines@
                return 0;
            }
            """,
            name=name,
            factor=unsigned(self.factor),
            lines="\n".join(lines),
        )

    def evaluate(self, data: bytes) -> bytes:
        values = parse(data)
        mixed = 0
        for number in values:
            mixed = (mixed ^ number) * self.factor & MASK
        figures = {
            "count": len(values),
            "sum": sum(values) & MASK,
            "mean": sum(values) // len(values),
            "least": min(values),
            "most": max(values),
            "range": max(values) - min(values),
            "odd": sum(value & 1 for value in values),
            "mixed": mixed,
        }
        return "".join(f"{figure}={figures[figure]}\n" for figure in self.figures).encode()
