"""Steps that put numbers into words: dates, times, numerals, tables."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

from unishare.evaluation.population import vocabulary
from unishare.evaluation.population.c_text import character, fill, literal, strings, unsigned, words
from unishare.evaluation.population.shapes import Shape
from unishare.evaluation.population.step import Step
from unishare.evaluation.population.steps.numbers_map import parse


class NumbersToText(Step):
    does = "numbers to text"
    takes = Shape.NUMBERS
    gives = Shape.TEXT
    grows = True


class Dates(NumbersToText):
    does = "take the numbers as days and write dates"
    _ORDERS = (("year", "month", "day"), ("day", "month", "year"), ("month", "day", "year"))

    def __init__(self, random: Random) -> None:
        self.start = date(random.randint(1900, 2030), random.randint(1, 12), random.randint(1, 28))
        self.span = random.randint(1000, 60_000)
        self.order = random.choice(self._ORDERS)
        self.joint = random.choice("-/. ")
        self.weekdays = vocabulary.different_words(random, 7)

    def c_source(self, name: str) -> str:
        parts = [f"append_number(out, {part});\nappend_byte(out, {character(self.joint)});" for part in self.order]
        return fill(
            """
            static const char *const @name@_weekdays[] = {@weekdays@};

            static uint32_t @name@_length(uint32_t year, uint32_t month)
            {
                if (month == 2)
                    return (year % 4 == 0 && year % 100) || year % 400 == 0 ? 29 : 28;
                return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
            }

            static int @name@(const struct bytes *in, struct bytes *out)
            {
                struct numbers numbers;

                read_numbers(in, &numbers);
                for (size_t i = 0; i < numbers.count; i++) {
                    uint32_t days = numbers.at[i] % @span@, year = @year@, month = @month@, day = @day@ + days;

                    while (day > @name@_length(year, month)) {
                        day -= @name@_length(year, month);
                        if (++month > 12) {
                            month = 1;
                            year++;
                        }
                    }
                    @parts@
                    append_text(out, @name@_weekdays[(days + @weekday@) % 7]);
                    append_byte(out, '\\n');
                }
                return 0;
            }
            """,
            name=name, weekdays=strings(self.weekdays), span=self.span, year=self.start.year, month=self.start.month,
            day=self.start.day, weekday=self.start.weekday(), parts="\n".join(parts),
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        out = ""
        for number in parse(data):
            day = self.start + timedelta(days=number % self.span)
            out += "".join(f"{getattr(day, part)}{self.joint}" for part in self.order) + self.weekdays[day.weekday()] + "\n"
        return out.encode()


class Numerals(NumbersToText):
    does = "write the numbers as numerals of a system of its own"

    def __init__(self, random: Random) -> None:
        self.values = sorted({1, *(random.randint(2, 3000) for _ in range(random.randint(4, 12)))}, reverse=True)
        self.signs = vocabulary.different_words(random, len(self.values))
        self.modulus = self.values[0] * random.randint(2, 6)
        self.joint = random.choice(["-", " ", "'", ""])
        self.zero = vocabulary.word(random)

    def c_source(self, name: str) -> str:
        return fill(
            """
            static const uint32_t @name@_values[] = {@values@};
            static const char *const @name@_signs[] = {@signs@};

            static int @name@(const struct bytes *in, struct bytes *out)
            {
                struct numbers numbers;

                read_numbers(in, &numbers);
                for (size_t i = 0; i < numbers.count; i++) {
                    uint32_t left = numbers.at[i] % @modulus@;

                    if (!left)
                        append_text(out, @zero@);
                    for (size_t at = 0; left; at++) {
                        uint32_t times = left / @name@_values[at];

                        left %= @name@_values[at];
                        if (times > 1)
                            append_number(out, times);
                        if (times)
                            append_text(out, @name@_signs[at]);
                        if (times && left)
                            append_text(out, @joint@);
                    }
                    append_byte(out, '\\n');
                }
                return 0;
            }
            """,
            name=name, values=words(self.values), signs=strings(self.signs), modulus=self.modulus,
            zero=literal(self.zero), joint=literal(self.joint),
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        return "".join(f"{self._numeral(number % self.modulus)}\n" for number in parse(data)).encode()

    def _numeral(self, left: int) -> str:
        if not left:
            return self.zero
        parts = []
        for value, sign in zip(self.values, self.signs, strict=True):
            times, left = divmod(left, value)
            if times:
                parts.append((str(times) if times > 1 else "") + sign)
        return self.joint.join(parts)


class Ledger(Step):
    does = "make records of the numbers, with words for keys"
    takes = Shape.NUMBERS
    gives = Shape.RECORDS
    grows = True

    def __init__(self, random: Random) -> None:
        self.names = vocabulary.different_words(random, random.randint(3, 16))
        self.low = random.randint(2, 500)
        self.high = random.randint(10, 5000)

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                static const char *const names[] = {
                    @names@
                };
                struct numbers numbers;

                read_numbers(in, &numbers);
                for (size_t i = 0; i < numbers.count && i < 40; i++) {
                    const char *word = names[numbers.at[i] % @count@];

                    write_record(out, &(struct record){(const unsigned char *)word, strlen(word), numbers.at[i] % @low@,
                        (numbers.at[i] >> 7) % @high@ + (uint32_t)i});
                }
                return 0;
            }
            """,
            name=name, names=strings(self.names), count=len(self.names), low=unsigned(self.low), high=unsigned(self.high),
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        return "".join(
            f"{self.names[number % len(self.names)]},{number % self.low},{(number >> 7) % self.high + at}\n"
            for at, number in enumerate(parse(data)[:40])
        ).encode()


class Spell(NumbersToText):
    does = "write the numbers in another base, digit by digit in words or letters"

    def __init__(self, random: Random) -> None:
        self.base = random.randint(3, 20)
        self.digits = vocabulary.different_words(random, self.base)
        self.joint = random.choice(["", "-", " "])
        self.most = random.randint(6, 14)

    def c_source(self, name: str) -> str:
        return fill(
            """
            static void @name@_digits(struct bytes *out, uint32_t value)
            {
                static const char *const digits[] = {
                    @digits@
                };

                if (value >= @base@) {
                    @name@_digits(out, value / @base@);
                    append_text(out, @joint@);
                }
                append_text(out, digits[value % @base@]);
            }

            static int @name@(const struct bytes *in, struct bytes *out)
            {
                struct numbers numbers;

                read_numbers(in, &numbers);
                for (size_t i = 0; i < numbers.count && i < @most@; i++) {
                    @name@_digits(out, numbers.at[i]);
                    append_byte(out, '\\n');
                }
                return 0;
            }
            """,
            name=name, digits=strings(self.digits), base=self.base, joint=literal(self.joint), most=self.most,
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        return "".join(f"{self._spell(number)}\n" for number in parse(data)[: self.most]).encode()

    def _spell(self, value: int) -> str:
        rest = self._spell(value // self.base) + self.joint if value >= self.base else ""
        return rest + self.digits[value % self.base]
