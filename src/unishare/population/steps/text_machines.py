"""Steps that read text with a state machine, count in it, or take numbers out of it."""

from __future__ import annotations

from collections import Counter
from random import Random

from unishare.population.c_text import MASK, character, fill, table, unsigned
from unishare.population.shapes import Shape
from unishare.population.step import Step
from unishare.population.steps.numbers_map import unparse
from unishare.population.steps.text_edit import TextStep, words_of

# Classes of characters that machines tell apart, with the C that recognises them.
_CLASSES = {
    "vowel": "(byte | 32) == 'a' || (byte | 32) == 'e' || (byte | 32) == 'i' || (byte | 32) == 'o' || (byte | 32) == 'u'",
    "letter": "(byte | 32) >= 'a' && (byte | 32) <= 'z'",
    "digit": "byte >= '0' && byte <= '9'",
    "space": "byte == ' ' || byte == '\\n'",
    "other": "1",
}


def _class_of(byte: int) -> int:
    one = chr(byte).lower()
    if one in "aeiou":
        return 0
    if "a" <= one <= "z":
        return 1
    if "0" <= one <= "9":
        return 2
    return 3 if one in " \n" else 4


def _c_classes(name: str) -> str:
    lines = [f"if ({test})\n    return {number};" for number, test in enumerate(list(_CLASSES.values())[:-1])]
    return fill(
        """
        static int @name@_class(int byte)
        {
            @lines@
            return @last@;
        }
        """,
        name=name,
        lines="\n".join(lines),
        last=len(_CLASSES) - 1,
    )


class Automaton(Step):
    """Count the transitions of a finite automaton over the text."""

    takes = Shape.TEXT
    gives = Shape.NUMBERS

    def __init__(self, random: Random) -> None:
        self.states = random.randint(3, 12)
        self.next = [[random.randrange(self.states) for _ in _CLASSES] for _ in range(self.states)]
        self.counted = [[random.randint(0, 9) for _ in _CLASSES] for _ in range(self.states)]
        self.as_switch = random.random() < 0.5

    def c_source(self, name: str) -> str:
        return fill(
            """
            @classes@

            @machine@

            static int @name@(const struct bytes *in, struct bytes *out)
            {
                struct numbers numbers = {.count = @states@};
                int state = 0;

                for (size_t i = 0; i < in->size; i++) {
                    int class = @name@_class(in->data[i]), from = state;

                    state = @name@_next(state, class, &numbers.at[from]);
                }
                write_numbers(&numbers, out);
                return 0;
            }
            """,
            name=name,
            classes=_c_classes(name),
            machine=self._switch(name) if self.as_switch else self._tables(name),
            states=self.states,
        )

    def _tables(self, name: str) -> str:
        return fill(
            """
            static const unsigned char @name@_states[][@classes@] = {
                @states@
            };
            static const unsigned char @name@_counted[][@classes@] = {
                @counted@
            };

            static int @name@_next(int state, int class, uint32_t *count)
            {
                *count += @name@_counted[state][class];
                return @name@_states[state][class];
            }
            """,
            name=name,
            classes=len(_CLASSES),
            states="\n".join(f"{{{table(row)}}}," for row in self.next),
            counted="\n".join(f"{{{table(row)}}}," for row in self.counted),
        )

    def _switch(self, name: str) -> str:
        cases = []
        for state in range(self.states):
            for number in range(len(_CLASSES)):
                add, to = self.counted[state][number], self.next[state][number]
                cases.append(f"case {state * len(_CLASSES) + number}:\n    *count += {add};\n    return {to};")
        return fill(
            """
            static int @name@_next(int state, int class, uint32_t *count)
            {
                switch (state * @classes@ + class) {
                @cases@
                }
                return 0;
            }
            """,
            name=name,
            classes=len(_CLASSES),
            cases="\n".join(cases),
        )

    def evaluate(self, data: bytes) -> bytes:
        counts, state = [0] * self.states, 0
        for byte in data:
            kind = _class_of(byte)
            counts[state] += self.counted[state][kind]
            state = self.next[state][kind]
        return unparse(counts)


class Quoting(TextStep):
    """Strip comments and collapse spaces with a small scanner."""

    def __init__(self, random: Random) -> None:
        self.open, self.close = random.sample("(,.;:!x7/#", 2)
        self.replacement = random.choice("_~ *-")

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                enum { PLAIN, SPACE, COMMENT } state = PLAIN;

                for (size_t i = 0; i < in->size; i++) {
                    int byte = in->data[i];

                    switch (state) {
                    case COMMENT:
                        if (byte == @close@) {
                            append_byte(out, @replacement@);
                            state = PLAIN;
                        }
                        break;
                    case SPACE:
                        if (byte == ' ')
                            break;
                        state = PLAIN;
                        /* fall through */
                    case PLAIN:
                        if (byte == @open@) {
                            state = COMMENT;
                        } else {
                            append_byte(out, byte);
                            state = byte == ' ' ? SPACE : PLAIN;
                        }
                    }
                }
                return 0;
            }
            """,
            name=name,
            open=character(self.open),
            close=character(self.close),
            replacement=character(self.replacement),
        )

    def evaluate(self, data: bytes) -> bytes:
        out, state = "", "plain"
        for one in data.decode():
            if state == "comment":
                if one == self.close:
                    out += self.replacement
                    state = "plain"
            elif one == self.open:
                state = "comment"
            elif not (state == "space" and one == " "):
                out += one
                state = "space" if one == " " else "plain"
        return out.encode()


class WordHashes(Step):
    """Hash each word to a number."""

    takes = Shape.TEXT
    gives = Shape.NUMBERS

    def __init__(self, random: Random) -> None:
        self.seed = random.randint(1, MASK)
        self.factor = random.randint(1, MASK) | 1
        self.shift = random.randint(3, 16)
        self.most = random.randint(8, 48)
        self.modulus = random.choice([0, 1000, 65536, 1_000_000])

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                struct numbers numbers = {0};
                size_t length;

                for (size_t at = 0; numbers.count < @most@ && (length = next_word(in, &at)); at += length) {
                    uint32_t hash = @seed@;

                    for (size_t i = 0; i < length; i++) {
                        hash = (hash ^ in->data[at + i]) * @factor@;
                        hash ^= hash >> @shift@;
                    }
                    numbers.at[numbers.count++] = hash@modulus@;
                }
                if (!numbers.count)
                    numbers.at[numbers.count++] = @seed@;
                write_numbers(&numbers, out);
                return 0;
            }
            """,
            name=name,
            most=self.most,
            seed=unsigned(self.seed),
            factor=unsigned(self.factor),
            shift=self.shift,
            modulus=f" % {self.modulus}" if self.modulus else "",
        )

    def evaluate(self, data: bytes) -> bytes:
        return unparse([self._hash(word) for word in words_of(data)[: self.most]] or [self.seed])

    def _hash(self, word: bytes) -> int:
        value = self.seed
        for byte in word:
            value = (value ^ byte) * self.factor & MASK
            value ^= value >> self.shift
        return value % self.modulus if self.modulus else value


class FindNumbers(Step):
    """Find the numbers in the text."""

    takes = Shape.TEXT
    gives = Shape.NUMBERS

    def __init__(self, random: Random) -> None:
        self.base = random.choice([10, 10, 7, 9])
        self.otherwise = random.randint(0, MASK)
        self.most = random.randint(10, 60)

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                struct numbers numbers = {0};

                for (size_t i = 0; i < in->size && numbers.count < @most@; i++) {
                    uint32_t value = 0;
                    size_t start = i;

                    for (; i < in->size && in->data[i] >= '0' && in->data[i] < '0' + @base@; i++)
                        value = value * @base@ + (in->data[i] - '0');
                    if (i > start)
                        numbers.at[numbers.count++] = value;
                }
                if (!numbers.count)
                    numbers.at[numbers.count++] = @otherwise@;
                write_numbers(&numbers, out);
                return 0;
            }
            """,
            name=name,
            base=self.base,
            otherwise=unsigned(self.otherwise),
            most=self.most,
        )

    def evaluate(self, data: bytes) -> bytes:
        digits = bytes(range(48, 48 + self.base))
        runs = bytes(byte if byte in digits else 32 for byte in data).split()
        return unparse([int(run, self.base) & MASK for run in runs[: self.most]] or [self.otherwise])


class Frequency(Step):
    """Count the words, the most frequent first."""

    takes = Shape.TEXT
    gives = Shape.PAIRS

    def __init__(self, random: Random) -> None:
        self.shown = random.randint(3, 12)
        self.offset = random.randint(0, 50)
        self.rising = random.random() < 0.3

    def c_source(self, name: str) -> str:
        return fill(
            """
            struct @name@_entry {
                unsigned char word[24];
                size_t length;
                uint32_t count;
            };

            static int @name@_compare(const void *a, const void *b)
            {
                const struct @name@_entry *left = a, *right = b;

                if (left->count != right->count)
                    return left->count @sign@ right->count ? -1 : 1;
                return strcmp((const char *)left->word, (const char *)right->word);
            }

            static int @name@(const struct bytes *in, struct bytes *out)
            {
                struct @name@_entry *entries = malloc(64 * sizeof *entries);
                size_t count = 0, length, i;

                if (!entries)
                    return 255;
                for (size_t at = 0; (length = next_word(in, &at)); at += length) {
                    unsigned char word[24] = {0};
                    size_t kept = 0;

                    for (i = 0; i < length && kept < 23; i++)
                        if ((in->data[at + i] | 32) >= 'a' && (in->data[at + i] | 32) <= 'z')
                            word[kept++] = in->data[at + i] | 32;
                    if (!kept)
                        continue;
                    for (i = 0; i < count && strcmp((char *)entries[i].word, (char *)word); i++)
                        ;
                    if (i == 64)
                        continue;
                    if (i == count) {
                        memcpy(entries[i].word, word, sizeof word);
                        entries[i].length = kept;
                        entries[i].count = 0;
                        count++;
                    }
                    entries[i].count++;
                }
                qsort(entries, count, sizeof *entries, @name@_compare);
                for (i = 0; i < count && i < @shown@; i++) {
                    append(out, entries[i].word, entries[i].length);
                    append_byte(out, '=');
                    append_number(out, entries[i].count + @offset@);
                    append_byte(out, '\\n');
                }
                free(entries);
                return 0;
            }
            """,
            name=name,
            sign="<" if self.rising else ">",
            shown=self.shown,
            offset=self.offset,
        )

    def evaluate(self, data: bytes) -> bytes:
        counts: Counter[str] = Counter()
        for word in words_of(data):
            plain = "".join(one for one in word.decode().lower() if "a" <= one <= "z")[:23]
            if plain and (plain in counts or len(counts) < 64):
                counts[plain] += 1
        ordered = sorted(counts.items(), key=lambda item: (item[1] if self.rising else -item[1], item[0]))
        return "".join(f"{word}={count + self.offset}\n" for word, count in ordered[: self.shown]).encode()
