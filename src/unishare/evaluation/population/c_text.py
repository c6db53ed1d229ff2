"""Writing C: templates whose braces are C's own, literals and tables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from textwrap import dedent, indent

MASK = 0xFFFFFFFF
_COLUMN = 110
_PLACE = re.compile(r"^([ \t]*)@(\w+)@$|@(\w+)@", re.MULTILINE)


def fill(template: str, **values: object) -> str:
    """Put values in the place of `@name@`; one alone on its line may have many lines and is indented like the place."""

    def put(found: re.Match[str]) -> str:
        if found[2]:
            return indent(str(values[found[2]]).strip("\n"), found[1])
        return str(values[found[3]])

    return _PLACE.sub(put, dedent(template).strip("\n") + "\n")


def literal(text: str | bytes) -> str:
    """A C string literal."""
    data = text.encode() if isinstance(text, str) else text
    return '"' + "".join(_character(byte) for byte in data) + '"'


def _character(byte: int) -> str:
    if byte in b'"\\?':
        return "\\" + chr(byte)
    if byte == 10:
        return "\\n"
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"


def character(text: str) -> str:
    """A C character constant."""
    return "'\\''" if text == "'" else "'" + literal(text)[1:-1].replace('\\"', '"').replace("\\?", "?") + "'"


def unsigned(value: int) -> str:
    """A C constant of 32 bits without sign."""
    return f"{value}u" if value < 100_000 else f"{value:#x}u"


def unsigned64(value: int) -> str:
    """A C constant of 64 bits without sign."""
    return f"{value:#x}ull"


def table(values: Iterable[object]) -> str:
    """The inside of an initialiser, in lines of a readable length."""
    lines, line = [], ""
    for value in values:
        item = f"{value}, "
        if len(line) + len(item) > _COLUMN:
            lines.append(line.rstrip())
            line = ""
        line += item
    return "\n".join([*lines, line.rstrip(", ")])


def words(values: Iterable[int]) -> str:
    """The inside of an initialiser of 32-bit constants."""
    return table(unsigned(value) for value in values)


def strings(values: Iterable[str]) -> str:
    """The inside of an initialiser of strings."""
    return table(literal(value) for value in values)
