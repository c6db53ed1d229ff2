"""Kinds of sections: which input sections of an object go to which window. The one list that objects, layouts and checks share."""

from __future__ import annotations

import enum
from fnmatch import fnmatchcase


class Kind(enum.StrEnum):
    """A window's kind: one right, and for writable memory whether the file holds its bytes."""

    TEXT = "text"
    RODATA = "rodata"
    DATA = "data"
    BSS = "bss"


# .data.rel.ro holds constants with addresses: in fixed layouts they are constants like any others.
INPUT_PATTERNS = {
    Kind.TEXT: ".text .text.*",
    Kind.RODATA: ".rodata .rodata.* .data.rel.ro .data.rel.ro.*",
    Kind.DATA: ".data .data.*",
    Kind.BSS: ".bss .bss.* COMMON",
}
# Not in a window: constructors (not the older .ctors, which are called from the last to the first) go to the image table, thread-local data to the app's own part, unwind tables nowhere.
ELSEWHERE = (".init_array", ".init_array.*", ".fini_array", ".fini_array.*", ".eh_frame", ".note.*")
THREAD_LOCAL = (".tdata", ".tdata.*", ".tbss", ".tbss.*")
# The sections of a position-independent module that hold addresses alone: the loader writes them, the guest only reads.
LINKAGE_SECTIONS = (".unishare.image", ".got", ".got.plt", ".data.rel.ro", ".init_array", ".fini_array")


def kind_of(name: str) -> Kind | str | None:
    """A section's window kind, `"elsewhere"`, or None if nothing takes it."""
    for kind, patterns in INPUT_PATTERNS.items():
        if any(fnmatchcase(name, pattern) for pattern in patterns.split()):
            return kind
    return "elsewhere" if any(fnmatchcase(name, pattern) for pattern in (*ELSEWHERE, *THREAD_LOCAL)) else None
