"""The line of a TOML file on which a field is: TOML parsers drop positions, and people want them in messages.

A scanner, not a parser: it knows tables, arrays of tables and keys that start a line, which is how recipes are written. Where it finds
no key it names the table, and else line 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_TABLE = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?")
_KEY = re.compile(r"""^\s*(?:"([^"]*)"|'([^']*)'|([^"'=\s]+))\s*=""")


def line_of_field(text: str, parts: Sequence[int | str]) -> int:
    """The line of the field at a path such as `("source", "sha256")` or `("example", 1, "status")`."""
    names = [part for part in parts if isinstance(part, str)]
    occurrence = next((part for part in parts[1:2] if isinstance(part, int)), 0)
    best, depth = 1, 0
    table: list[str] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if found := _TABLE.match(line):
            table = found[2].replace('"', "").split(".")
            seen[found[2]] = seen.get(found[2], -1) + 1
            wanted = found[1] == "[" or seen[found[2]] == occurrence
            if wanted and len(table) > depth and names[: len(table)] == table:
                best, depth = number, len(table)
            elif not wanted:
                table = ["", *table]
        elif found := _KEY.match(line):
            quoted = found[1] or found[2]
            path = [*table, *([quoted] if quoted else found[3].split("."))]
            if len(path) > depth and names[: len(path)] == path:
                best, depth = number, len(path)
    return best
