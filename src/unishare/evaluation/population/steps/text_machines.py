"""Steps that read text with a state machine."""

from __future__ import annotations

from random import Random

from unishare.evaluation.population.c_text import character, fill, table
from unishare.evaluation.population.shapes import Shape
from unishare.evaluation.population.step import Step
from unishare.evaluation.population.steps.numbers_map import unparse
from unishare.evaluation.population.steps.text_edit import TextStep

# Classes of characters that machines tell apart, with the C that recognises them.
_CLASSES = {
    "vowel": "(byte | 32) == 'a' || (byte | 32) == 'e' || (byte | 32) == 'i' || (byte | 32) == 'o' || (byte | 32) == 'u'",
    "letter": "(byte | 32) >= 'a' && (byte | 32) <= 'z'",
    "digit": "byte >= '0' && byte <= '9'",
    "space": "byte == ' ' || byte == '\\n'",
    "other": "1",
}


def _class_of(byte: int) -> int:
    lowered = chr(byte).lower()
    if lowered in "aeiou":
        return 0
    if "a" <= lowered <= "z":
        return 1
    if "0" <= lowered <= "9":
        return 2
    return 3 if lowered in " \n" else 4


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
    does = "count the transitions of a finite automaton over the text"
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
    does = "strip comments and collapse spaces with a small scanner"

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
        for symbol in data.decode():
            if state == "comment":
                if symbol == self.close:
                    out += self.replacement
                    state = "plain"
            elif symbol == self.open:
                state = "comment"
            elif not (state == "space" and symbol == " "):
                out += symbol
                state = "space" if symbol == " " else "plain"
        return out.encode()
