"""Words for requests, tables and data files."""

from __future__ import annotations

from random import Random

_SYLLABLES = [
    "ba",
    "be",
    "bo",
    "ca",
    "ce",
    "co",
    "da",
    "de",
    "di",
    "do",
    "fa",
    "fe",
    "fi",
    "fo",
    "ga",
    "ge",
    "go",
    "ha",
    "he",
    "hi",
    "ka",
    "ke",
    "ki",
    "ko",
    "la",
    "le",
    "li",
    "lo",
    "ma",
    "me",
    "mi",
    "mo",
    "na",
    "ne",
    "ni",
    "no",
    "pa",
    "pe",
    "pi",
    "po",
    "ra",
    "re",
    "ri",
    "ro",
    "sa",
    "se",
    "si",
    "so",
    "ta",
    "te",
    "ti",
    "to",
    "va",
    "ve",
    "vi",
    "vo",
    "xa",
    "xi",
    "za",
    "ze",
    "zo",
]
_ENDINGS = ("", "", "n", "r", "s", "l", "t", "x", "m")


def word(random: Random) -> str:
    """A word of two to four syllables."""
    return "".join(random.choice(_SYLLABLES) for _ in range(random.randint(2, 4))) + random.choice(_ENDINGS)


def different_words(random: Random, count: int) -> list[str]:
    """Words of which no two are equal."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[word(random)] = None
    return list(found)


def sentence(random: Random, words: int) -> str:
    """Words, numbers and punctuation, some words more than once."""
    known = different_words(random, max(2, words * 2 // 3))
    parts = []
    for _ in range(words):
        if random.random() < 0.15:
            parts.append(str(random.randint(0, 99_999)))
        else:
            chosen = random.choice(known)
            parts.append(chosen.capitalize() if random.random() < 0.2 else chosen)
            if random.random() < 0.12:
                parts[-1] += random.choice(",.;:!")
    return " ".join(parts)


def paragraph(random: Random) -> str:
    """A few lines."""
    return "\n".join(sentence(random, random.randint(4, 10)) for _ in range(random.randint(2, 5)))
