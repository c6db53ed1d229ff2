"""Steps that change text word by word."""

from __future__ import annotations

from random import Random

from unishare.evaluation.population.c_text import character, fill, table, unsigned
from unishare.evaluation.population.steps.text_edit import TextStep, words_of
from unishare.evaluation.population.vocabulary import different_words


class WordShuffle(TextStep):
    does = "reverse or turn the words that a rule selects"

    def __init__(self, random: Random) -> None:
        self.modulus = random.randint(2, 6)
        self.selected = random.randrange(self.modulus)
        self.by_length = random.random() < 0.5
        self.turn = random.choice([0, 1, 2, 3])
        self.joint = random.choice(" -_./ +")

    def c_source(self, name: str) -> str:
        selected = "length" if self.by_length else "number"
        change = (
            f"append_byte(out, in->data[at + (i + {self.turn}) % length]);"
            if self.turn
            else "append_byte(out, in->data[at + length - 1 - i]);"
        )
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                size_t number = 0, length;

                for (size_t at = 0; (length = next_word(in, &at)); at += length, number++) {
                    if (number)
                        append_byte(out, @joint@);
                    for (size_t i = 0; i < length; i++) {
                        if (@selected@ % @modulus@ == @remainder@)
                            @change@
                        else
                            append_byte(out, in->data[at + i]);
                    }
                }
                return 0;
            }
            """,
            name=name,
            joint=character(self.joint),
            selected=selected,
            modulus=self.modulus,
            remainder=self.selected,
            change=change,
        )

    def evaluate(self, data: bytes) -> bytes:
        out = []
        for number, word in enumerate(words_of(data)):
            if (len(word) if self.by_length else number) % self.modulus == self.selected:
                turn = self.turn % len(word)
                out.append(word[turn:] + word[:turn] if self.turn else word[::-1])
            else:
                out.append(word)
        return self.joint.encode().join(out)


class Nearest(TextStep):
    does = "replace each word by the nearest one of a list, by edit distance"

    def __init__(self, random: Random) -> None:
        self.known = different_words(random, random.randint(6, 24))
        self.most = random.randint(2, 5)
        self.insert, self.change = random.randint(1, 2), random.randint(1, 3)

    def c_source(self, name: str) -> str:
        return fill(
            """
            static const char *const @name@_known[] = {
                @known@
            };

            static unsigned @name@_distance(const unsigned char *word, size_t length, const char *known)
            {
                unsigned row[33], size = (unsigned)strlen(known);

                for (unsigned j = 0; j <= size; j++)
                    row[j] = j * @insert@;
                for (size_t i = 0; i < length; i++) {
                    unsigned corner = row[0];

                    row[0] += @insert@;
                    for (unsigned j = 0; j < size; j++) {
                        unsigned best = corner + (word[i] == (unsigned char)known[j] ? 0 : @change@);

                        corner = row[j + 1];
                        if (corner + @insert@ < best)
                            best = corner + @insert@;
                        if (row[j] + @insert@ < best)
                            best = row[j] + @insert@;
                        row[j + 1] = best;
                    }
                }
                return row[size];
            }

            static int @name@(const struct bytes *in, struct bytes *out)
            {
                size_t length;

                for (size_t at = 0; (length = next_word(in, &at)); at += length) {
                    const char *nearest = NULL;
                    unsigned least = @most@;

                    for (size_t i = 0; i < sizeof @name@_known / sizeof *@name@_known; i++) {
                        unsigned distance = @name@_distance(in->data + at, length, @name@_known[i]);

                        if (distance < least) {
                            least = distance;
                            nearest = @name@_known[i];
                        }
                    }
                    if (out->size)
                        append_byte(out, ' ');
                    append(out, nearest ? (const void *)nearest : in->data + at, nearest ? strlen(nearest) : length);
                }
                return 0;
            }
            """,
            name=name,
            known=table(f'"{word}"' for word in self.known),
            insert=unsigned(self.insert),
            change=unsigned(self.change),
            most=unsigned(self.most + 1),
        )

    def evaluate(self, data: bytes) -> bytes:
        return b" ".join(self._nearest(word) for word in words_of(data))

    def _nearest(self, word: bytes) -> bytes:
        least, nearest = self.most + 1, word
        for known in self.known:
            distance = self._distance(word, known.encode())
            if distance < least:
                least, nearest = distance, known.encode()
        return nearest

    def _distance(self, word: bytes, known: bytes) -> int:
        row = [place * self.insert for place in range(len(known) + 1)]
        for byte in word:
            above = row
            row = [above[0] + self.insert]
            for place, known_byte in enumerate(known):
                changed = above[place] + (0 if byte == known_byte else self.change)
                row.append(min(changed, above[place + 1] + self.insert, row[place] + self.insert))
        return row[-1]
