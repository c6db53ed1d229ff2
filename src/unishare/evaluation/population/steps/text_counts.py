"""Steps that count words, hash them, or take numbers out of text."""

from __future__ import annotations

from collections import Counter
from random import Random

from unishare.evaluation.population.c_text import MASK, fill, unsigned
from unishare.evaluation.population.shapes import Shape
from unishare.evaluation.population.step import Step
from unishare.evaluation.population.steps.numbers_map import unparse
from unishare.evaluation.population.steps.text_edit import words_of


class WordHashes(Step):
    does = "hash each word to a number"
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
    does = "find the numbers in the text"
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
    does = "count the words, the most frequent first"
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
            plain = "".join(character for character in word.decode().lower() if "a" <= character <= "z")[:23]
            if plain and (plain in counts or len(counts) < 64):
                counts[plain] += 1
        ordered = sorted(counts.items(), key=lambda item: (item[1] if self.rising else -item[1], item[0]))
        return "".join(f"{word}={count + self.offset}\n" for word, count in ordered[: self.shown]).encode()
