"""Steps that compute with all numbers together: matrices, convolution, recurrences, powers."""

from __future__ import annotations

from random import Random

from unishare.evaluation.population.c_text import MASK, fill, unsigned, words
from unishare.evaluation.population.steps.numbers_map import NumbersStep


class Matrix(NumbersStep):
    does = "multiply blocks of the numbers by a matrix"

    def __init__(self, random: Random) -> None:
        self.size = random.randint(2, 8)
        self.modulus = random.choice([0, 0, 65521, 1_000_003, 998_244_353])
        self.rows = [
            [random.randint(0, self.modulus - 1 if self.modulus else MASK) for _ in range(self.size)] for _ in range(self.size)
        ]

    def c_source(self, name: str) -> str:
        before = fill(
            """
            static const uint32_t @name@_rows[@size@][@size@] = {
                @rows@
            };
            """,
            name=name,
            size=self.size,
            rows="\n".join(f"{{{words(row)}}}," for row in self.rows),
        )
        body = fill(
            """
            for (size_t block = 0; block < numbers.count; block += @size@) {
                uint32_t product[@size@];

                for (size_t row = 0; row < @size@; row++) {
                    uint64_t sum = 0;

                    for (size_t column = 0; column < @size@ && block + column < numbers.count; column++)
                        sum = (sum + (uint64_t)@name@_rows[row][column] * numbers.at[block + column])@reduce@;
                    product[row] = (uint32_t)sum;
                }
                for (size_t row = 0; row < @size@ && block + row < numbers.count; row++)
                    numbers.at[block + row] = product[row];
            }
            """,
            name=name,
            size=self.size,
            reduce=f" % {self.modulus}" if self.modulus else "",
        )
        return self._in_place(name, body, before)

    def values(self, numbers: list[int]) -> list[int]:
        out: list[int] = []
        for start in range(0, len(numbers), self.size):
            block = numbers[start : start + self.size]
            for row in self.rows[: len(block)]:
                total = sum(factor * value for factor, value in zip(row, block, strict=False))
                out.append(total % self.modulus if self.modulus else total & MASK)
        return out


class Convolution(NumbersStep):
    does = "convolve the numbers with a kernel"

    def __init__(self, random: Random) -> None:
        self.kernel = [random.randint(-999, 999) & MASK for _ in range(random.randint(2, 9))]

    def c_source(self, name: str) -> str:
        terms = [f"y += {unsigned(weight)} * (i >= {lag} ? x[i - {lag}] : 0);" for lag, weight in enumerate(self.kernel)]
        terms[0] = f"y += {unsigned(self.kernel[0])} * x[i];"
        body = fill(
            """
            memcpy(x, numbers.at, sizeof x);
            for (size_t i = 0; i < numbers.count; i++) {
                uint32_t y = 0;

                @terms@
                numbers.at[i] = y;
            }
            """,
            terms="\n".join(terms),
        )
        return self._in_place(name, body, declarations="uint32_t x[sizeof numbers.at / sizeof *numbers.at];")

    def values(self, numbers: list[int]) -> list[int]:
        return [
            sum(factor * numbers[i - lag] for lag, factor in enumerate(self.kernel) if i >= lag) & MASK
            for i in range(len(numbers))
        ]


class Recurrence(NumbersStep):
    does = "feed the numbers into a shift register and take what comes out"

    def __init__(self, random: Random) -> None:
        self.state = [random.randint(0, MASK) for _ in range(random.randint(2, 5))]
        self.shifts = [random.randint(1, 31) for _ in self.state]
        self.rounds = random.randint(1, 12)
        self.increment = random.randint(0, MASK)

    def c_source(self, name: str) -> str:
        count = len(self.state)
        lines = [
            f"state[{at}] = rotate(state[{at}] + state[{(at + 1) % count}], {shift}) ^ {unsigned(self.increment + at & MASK)};"
            for at, shift in enumerate(self.shifts)
        ]
        body = fill(
            """
            for (size_t i = 0; i < numbers.count; i++) {
                state[i % @count@] ^= numbers.at[i];
                for (int round = 0; round < @rounds@; round++) {
                    @lines@
                }
                numbers.at[i] = state[0];
            }
            """,
            count=count,
            rounds=self.rounds,
            lines="\n".join(lines),
        )
        return self._in_place(name, body, declarations=f"uint32_t state[] = {{{words(self.state)}}};")

    def values(self, numbers: list[int]) -> list[int]:
        state, count, out = list(self.state), len(self.state), []
        for i, number in enumerate(numbers):
            state[i % count] ^= number
            for _ in range(self.rounds):
                for at, shift in enumerate(self.shifts):
                    total = (state[at] + state[(at + 1) % count]) & MASK
                    state[at] = ((total << shift | total >> (32 - shift)) & MASK) ^ (self.increment + at & MASK)
            out.append(state[0])
        return out


class Power(NumbersStep):
    does = "raise the numbers to a power modulo a prime"

    def __init__(self, random: Random) -> None:
        self.modulus = random.choice([2147483647, 998244353, 1000000007, 4294967291, 104729, 65537])
        self.exponent = random.randint(3, 2_000_000_000)

    def c_source(self, name: str) -> str:
        before = fill(
            """
            static uint32_t @name@_power(uint64_t base)
            {
                uint64_t result = 1;

                base %= @modulus@;
                for (uint32_t exponent = @exponent@; exponent; exponent >>= 1) {
                    if (exponent & 1)
                        result = result * base % @modulus@;
                    base = base * base % @modulus@;
                }
                return (uint32_t)result;
            }
            """,
            name=name,
            modulus=unsigned(self.modulus),
            exponent=unsigned(self.exponent),
        )
        body = f"for (size_t i = 0; i < numbers.count; i++)\n    numbers.at[i] = {name}_power(numbers.at[i]);"
        return self._in_place(name, body, before)

    def values(self, numbers: list[int]) -> list[int]:
        return [pow(number, self.exponent, self.modulus) for number in numbers]
