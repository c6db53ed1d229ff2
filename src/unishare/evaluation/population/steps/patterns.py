"""Steps that replace by regular expressions."""

from __future__ import annotations

import re
from random import Random

from unishare.evaluation.population import vocabulary
from unishare.evaluation.population.c_text import fill, literal
from unishare.evaluation.population.steps.text_edit import TextStep


def _class(random: Random) -> str:
    start = random.choice("abcdefghijklm")
    return f"[{start}-{chr(ord(start) + random.randint(4, 12))}]"


class PerlReplace(TextStep):
    does = "replace the matches of a regular expression by PCRE2"
    libraries = ("pcre2",)
    macros = ("PCRE2_CODE_UNIT_WIDTH 8",)
    headers = ("pcre2.h",)
    grows = True

    def __init__(self, random: Random) -> None:
        words = vocabulary.different_words(random, 3)
        self.pattern, replacement = random.choice(
            [
                (f"({_class(random)}+)({_class(random)})", "$2<$1"),
                (r"(\d+)(\w?)", f"{words[0]}$2$1"),
                (rf"\b(\w)(\w*?)({random.choice('aeiou')})", "$3$2$1"),
                (f"({words[0][:2]}|{words[1][:2]}|[aeiou]{{2}}|{_class(random)}x?)(?=[a-z])", f"$1{words[2][0]}"),
                (r"(?<=[a-m])([n-z])", f"($1{words[1]})"),
                (r"(?i)([aeiou])\w\1", "[$1]"),
            ]
        )
        self.replacement = replacement

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                static pcre2_code *pattern;
                PCRE2_SIZE place, size = in->size * 12 + 64;
                int code;

                if (!pattern)
                    pattern = pcre2_compile((PCRE2_SPTR)@pattern@, PCRE2_ZERO_TERMINATED, 0, &code, &place, NULL);
                if (!pattern)
                    return 254;
                reserve(out, size);
                code = pcre2_substitute(pattern, in->data, in->size, 0, PCRE2_SUBSTITUTE_GLOBAL, NULL, NULL,
                    (PCRE2_SPTR)@replacement@, PCRE2_ZERO_TERMINATED, out->data, &size);
                if (code < 0)
                    return 253;
                out->size = size;
                return 0;
            }
            """,
            name=name, pattern=literal(self.pattern), replacement=literal(re.sub(r"\$(\d)", r"${\1}", self.replacement)),
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        replacement = re.sub(r"\$(\d)", r"\\g<\1>", self.replacement)
        return re.sub(self.pattern, replacement, data.decode(), flags=re.ASCII).encode()
