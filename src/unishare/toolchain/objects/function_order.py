"""The order of a library's functions: those that requests execute come first and lie side by side.

An instance's first request takes a fault for each page of code that it executes first, and under a KVM with shadow page tables each
page is one exit. A library's functions lie in the order of its source, so that a request's few touch many pages. A recipe's
`build.order` names them in a file, one a line: the same for all images, so the library stays one object.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from unishare.errors import BadInputError

# Raised when what is done with an order changes.
ORDER_FORMAT = 1
# More than any library has; a file that names more is none.
LARGEST = 100_000
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


def read_order(file: Path) -> tuple[str, ...]:
    """The functions that a file names; empty lines and what is behind a # are left out."""
    try:
        lines = file.read_text().splitlines()
    except UnicodeDecodeError:
        raise BadInputError(f"{file}: is not text", "It names functions, one a line.") from None
    found: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        name = line.split("#", 1)[0].strip()
        if not name:
            continue
        if not _NAME.fullmatch(name):
            raise BadInputError(
                f"{file}:{number}: {name[:80]!r} is not the name of a function", "One a line, as in the source."
            )
        if name in found:
            raise BadInputError(
                f"{file}:{number}: {name} is named twice, first in line {found[name]}", "Leave one of them out."
            )
        found[name] = number
        if len(found) > LARGEST:
            raise BadInputError(f"{file}: names more than {LARGEST} functions", "List those that requests execute.")
    return tuple(found)


def order_flags(order: Sequence[str]) -> list[str]:
    """What the compiler must be told: only a section can be put elsewhere."""
    return ["-ffunction-sections"] if order else []


def order_script(order: Sequence[str]) -> str:
    """A script for `ld -r` that makes one section of code: the functions of the order, what the compiler found unlikely, and the rest.

    The compiler names copies that it makes of a function by a suffix (`.isra.0`), which may differ between variants. A function that is
    not there, as it was inlined or left out, is passed over. All other sections stay as they are.
    """
    first = "".join(f"    *(.text.{name} .text.{name}.*)\n" for name in order)
    return f"SECTIONS {{\n  .text 0 : {{\n{first}    *(.text.unlikely .text.unlikely.*)\n    *(.text .text.*)\n  }}\n}}\n"
