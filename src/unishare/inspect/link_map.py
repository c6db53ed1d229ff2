"""Which library lies where, from a GNU ld link map (`-Wl,-Map=FILE`): archives by their names, objects by their folder's."""

from __future__ import annotations

import re
from pathlib import Path

from unishare.errors import BadInputError
from unishare.inspect.memory_image import LibraryRanges

# ` .text  0x0000000000401000  0x25 /usr/lib/libc.a(exit.o)`; the name of a long section stands on a line of its own.
_LINE = re.compile(r"^ (?:\S+)?\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+(\S.*)$")
_BEGIN = "Linker script and memory map"


def read_link_map(file: Path) -> LibraryRanges:
    """Read a map; BadInputError where it is none."""
    try:
        text = file.read_text(errors="replace")
    except OSError as error:
        raise BadInputError(f"{file}: {error.strerror}") from None
    if _BEGIN not in text:
        raise BadInputError(f"{file}: not a link map of GNU ld", "link with -Wl,-Map=FILE")
    found = []
    for line in text.partition(_BEGIN)[2].splitlines():
        if matched := _LINE.match(line):
            start, size = int(matched[1], 16), int(matched[2], 16)
            if start and size:
                found.append((start, start + size, library_name(matched[3].strip())))
    found.sort()
    return LibraryRanges([entry[0] for entry in found], [entry[1] for entry in found], [entry[2] for entry in found])


def library_name(path: str) -> str:
    """`/usr/lib/libc.a(exit.o)` -> `libc`; `build/net/tcp.o` -> `tcp.o`."""
    archive, bracket, _ = path.partition("(")
    name = Path(archive).name
    return name.removesuffix(".a") if bracket else name
