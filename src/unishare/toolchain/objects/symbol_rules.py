"""What each binding, type and visibility of ELF means in an image. The one list of decisions (docs/formats/image.md, "Symbols").

An image is one component: hidden and internal symbols are seen by all its objects, protected ones are ordinary, and of several weak or
unique definitions the one of the first library counts, the app's last. What depends on a loader that images do not have is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from unishare.formats import elf
from unishare.formats.elf import Symbol

BINDINGS = frozenset({elf.STB_LOCAL, elf.STB_GLOBAL, elf.STB_WEAK, elf.STB_GNU_UNIQUE})
TYPES = frozenset({elf.STT_NOTYPE, elf.STT_OBJECT, elf.STT_FUNC, elf.STT_SECTION, elf.STT_FILE, elf.STT_COMMON, elf.STT_TLS})
# All but these reserved section numbers name sections of other processors or systems, or large common ones.
PLACES = frozenset({elf.SHN_UNDEF, elf.SHN_ABS, elf.SHN_COMMON})
IFUNC = "is chosen at run time (an ifunc)"


def refusal(symbol: Symbol) -> str | None:
    """Why no image can hold a symbol; None if it can."""
    if symbol.type == elf.STT_GNU_IFUNC:
        return IFUNC
    if symbol.type not in TYPES:
        return f"has the type {symbol.type}, whose meaning is another system's"
    if symbol.binding not in BINDINGS:
        return f"has the binding {symbol.binding}, whose meaning is another system's"
    if symbol.reserved and symbol.section not in PLACES:
        return f"lies in the reserved section {symbol.section:#x}"
    if "@" in symbol.name and symbol.binding != elf.STB_LOCAL:
        return "is one version of a symbol, and images have no symbol versions"
    return None


def is_weak(symbol: Symbol) -> bool:
    """Whether another definition may stand for it."""
    return symbol.binding in (elf.STB_WEAK, elf.STB_GNU_UNIQUE)


def refused(symbols: Sequence[Symbol]) -> dict[str, str]:
    """The symbols that no image can hold, with the reasons."""
    return {symbol.name or "a local symbol": reason for symbol in symbols if (reason := refusal(symbol)) is not None}
