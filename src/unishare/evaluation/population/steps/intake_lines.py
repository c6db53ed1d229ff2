"""First steps that parse lines: number lists, separated columns, keys with values."""

from __future__ import annotations

from random import Random

from unishare.evaluation.population import vocabulary
from unishare.evaluation.population.c_text import MASK, character, fill, literal
from unishare.evaluation.population.shapes import Shape
from unishare.evaluation.population.step import Intake, Refusal


class NumberList(Intake):
    does = "parse a list of numbers"
    gives = Shape.NUMBERS

    def __init__(self, random: Random) -> None:
        self.separator = random.choice(",;|/ ")
        self.most = random.randint(16, 48)
        self.status = random.randint(2, 60)

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                size_t at = 0, count = 0;

                do {
                    uint64_t value = 0;
                    size_t start = at;

                    while (at < in->size && in->data[at] >= '0' && in->data[at] <= '9' && value <= UINT32_MAX)
                        value = value * 10 + (in->data[at++] - '0');
                    if (at == start || value > UINT32_MAX || (at < in->size && in->data[at] != @separator@) || count == @most@) {
                        refuse(out, @message@);
                        append_number(out, (uint32_t)at);
                        return @status@;
                    }
                    if (count++)
                        append_byte(out, ' ');
                    append_number(out, (uint32_t)value);
                } while (at++ < in->size);
                return 0;
            }
            """,
            name=name,
            separator=character(self.separator),
            most=self.most,
            status=self.status,
            message=literal(self._message),
        )

    @property
    def _message(self) -> str:
        return f"not a list of at most {self.most} numbers with '{self.separator}' between them, at byte "

    def evaluate(self, data: bytes) -> bytes:
        values: list[int] = []
        at = 0
        while True:
            value, start = 0, at
            while at < len(data) and 48 <= data[at] <= 57 and value <= MASK:
                value = value * 10 + data[at] - 48
                at += 1
            wrong_end = at < len(data) and data[at] != ord(self.separator)
            if at == start or value > MASK or wrong_end or len(values) == self.most:
                raise Refusal(self.status, f"{self._message}{at}")
            values.append(value)
            if at == len(data):
                return " ".join(map(str, values)).encode()
            at += 1

    def good_request(self, random: Random) -> bytes:
        high = random.choice([100, 10_000, MASK])
        return self.separator.join(str(random.randint(0, high)) for _ in range(random.randint(4, 14))).encode()

    def bad_request(self, random: Random) -> bytes:
        return self.good_request(random) + random.choice([self.separator, "x", "-1", f"{self.separator}99999999999"]).encode()


class Columns(Intake):
    does = "parse separated columns and keep a word and two numbers of each line"
    gives = Shape.RECORDS

    def __init__(self, random: Random) -> None:
        self.separator = random.choice(",;|\t")
        self.columns = random.randint(3, 7)
        self.word, self.first, self.second = random.sample(range(self.columns), 3)
        self.header = random.random() < 0.4
        self.status = random.randint(2, 60)

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                uint32_t line = 0;

                for (size_t at = 0; at < in->size; line++) {
                    size_t end = at + line_length(in, at), from[@columns@], to[@columns@], column = 0;
                    uint32_t values[2] = {0};

                    from[0] = at;
                    for (size_t i = at; i <= end; i++) {
                        if (i < end && in->data[i] != @separator@)
                            continue;
                        if (column < @columns@)
                            to[column] = i;
                        if (++column < @columns@)
                            from[column] = i + 1;
                    }
                    at = end + 1;
                    if (@skip@)
                        continue;
                    if (column != @columns@) {
                        refuse(out, "line ");
                        append_number(out, line + 1);
                        append_text(out, " has ");
                        append_number(out, (uint32_t)column);
                        append_text(out, @message@);
                        return @status@;
                    }
                    for (size_t i = from[@word@]; i < to[@word@]; i++)
                        if (in->data[i] >= 'a' && in->data[i] <= 'z')
                            append_byte(out, in->data[i]);
                    for (size_t i = from[@first@]; i < to[@first@]; i++)
                        if (in->data[i] >= '0' && in->data[i] <= '9')
                            values[0] = values[0] * 10 + (in->data[i] - '0');
                    for (size_t i = from[@second@]; i < to[@second@]; i++)
                        if (in->data[i] >= '0' && in->data[i] <= '9')
                            values[1] = values[1] * 10 + (in->data[i] - '0');
                    append_byte(out, ',');
                    append_number(out, values[0]);
                    append_byte(out, ',');
                    append_number(out, values[1]);
                    append_byte(out, '\\n');
                }
                return 0;
            }
            """,
            name=name,
            separator=character(self.separator) if self.separator != "\t" else "'\\t'",
            columns=self.columns,
            word=self.word,
            first=self.first,
            second=self.second,
            skip="line == 0" if self.header else "0",
            status=self.status,
            message=literal(f" columns instead of {self.columns}"),
        )

    def evaluate(self, data: bytes) -> bytes:
        lines = data.decode("latin-1").split("\n")
        if lines[-1] == "":
            lines.pop()
        out = ""
        for number, line in enumerate(lines):
            cells = line.split(self.separator)
            if self.header and number == 0:
                continue
            if len(cells) != self.columns:
                raise Refusal(self.status, f"line {number + 1} has {len(cells)} columns instead of {self.columns}")
            word = "".join(letter for letter in cells[self.word] if "a" <= letter <= "z")
            values = (int("".join(digit for digit in cells[column] if digit in "0123456789") or "0") & MASK
                      for column in (self.first, self.second))  # fmt: skip
            out += f"{word},{','.join(map(str, values))}\n"
        return out.encode("latin-1")

    def good_request(self, random: Random) -> bytes:
        names = vocabulary.different_words(random, 5)
        lines = [self.separator.join(f"column{number}" for number in range(self.columns))] if self.header else []
        lines += [self._line(random, names) for _ in range(random.randint(4, 12))]
        return ("\n".join(lines) + "\n").encode()

    def _line(self, random: Random, names: list[str]) -> str:
        cells = [random.choice(names) if random.random() < 0.5 else str(random.randint(0, 99)) for _ in range(self.columns)]
        cells[self.word] = random.choice(names)
        cells[self.first] = str(random.randint(0, 2000))
        cells[self.second] = str(random.randint(0, 100_000))
        return self.separator.join(cells)

    def bad_request(self, random: Random) -> bytes:
        return self.good_request(random) + f"one{self.separator}two\n".encode()


class KeyValue(Intake):
    does = "parse lines of keys and values"
    gives = Shape.PAIRS

    def __init__(self, random: Random) -> None:
        self.separator = random.choice("=:>~")
        self.comment = random.choice("#;!%")
        self.status = random.randint(2, 60)

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@_plain(int byte)
            {
                return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
            }

            static int @name@(const struct bytes *in, struct bytes *out)
            {
                uint32_t line = 1;

                for (size_t at = 0, end; at < in->size; at = end + 1, line++) {
                    size_t middle = at;

                    end = at + line_length(in, at);
                    if (end == at || in->data[at] == @comment@)
                        continue;
                    while (middle < end && in->data[middle] != @separator@)
                        middle++;
                    if (middle == end) {
                        refuse(out, @message@);
                        append_number(out, line);
                        return @status@;
                    }
                    for (size_t i = at; i < middle; i++)
                        if (@name@_plain(in->data[i]))
                            append_byte(out, in->data[i] | 32);
                    append_byte(out, '=');
                    for (size_t i = middle + 1; i < end; i++)
                        if (@name@_plain(in->data[i]))
                            append_byte(out, in->data[i]);
                    append_byte(out, '\\n');
                }
                return 0;
            }
            """,
            name=name,
            separator=character(self.separator),
            comment=character(self.comment),
            status=self.status,
            message=literal(self._message),
        )

    @property
    def _message(self) -> str:
        return f"no '{self.separator}' in line "

    def evaluate(self, data: bytes) -> bytes:
        lines = data.decode("latin-1").split("\n")
        out = ""
        for number, line in enumerate(lines, 1):
            if not line or line[0] == self.comment:
                continue
            key, middle, value = line.partition(self.separator)
            if not middle:
                raise Refusal(self.status, f"{self._message}{number}")
            key = "".join(chr(ord(symbol) | 32) for symbol in key if symbol.isascii() and symbol.isalnum())
            value = "".join(symbol for symbol in value if symbol.isascii() and symbol.isalnum())
            out += f"{key}={value}\n"
        return out.encode("latin-1")

    def good_request(self, random: Random) -> bytes:
        lines = [f"{self.comment} {vocabulary.sentence(random, 3)}"] if random.random() < 0.5 else []
        for key in vocabulary.different_words(random, random.randint(4, 10)):
            value = str(random.randint(0, 9999)) if random.random() < 0.6 else vocabulary.word(random)
            lines.append(f"{key.capitalize()} {self.separator} {value}")
        return ("\n".join(lines) + "\n").encode()

    def bad_request(self, random: Random) -> bytes:
        return self.good_request(random) + b"nothing here\n"
