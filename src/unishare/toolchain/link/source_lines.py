"""Which source line of a library defines or uses a symbol, from its object's debug information. For messages, after something failed.

Answers `a.c:12`, relative to the library's source, or None where that cannot be told: a message is then shorter, never wrong.
"""

from __future__ import annotations

import subprocess

from unishare.errors import UnishareError
from unishare.formats.elf import SHT_RELA, SHT_SYMTAB, ElfFile, Symbol
from unishare.toolchain.objects.cache import UnitObject

TIME_LIMIT_S = 10
# Sources are compiled under /unishare/<library>-<version>/, wherever they are.
_PREFIX_PARTS = 3


def definition(unit: UnitObject, symbol: str) -> str | None:
    """Where a symbol is defined."""
    parsed = _read(unit)
    if parsed is None:
        return None
    return next((_place(unit, parsed, entry) for entry in parsed.symbols() if entry.name == symbol and entry.defined), None)


def largest(unit: UnitObject) -> tuple[str, int, str | None] | None:
    """The largest object or function: its name, its bytes, and where it is defined."""
    parsed = _read(unit)
    found = [symbol for symbol in parsed.symbol_table(SHT_SYMTAB) if symbol.defined and symbol.size] if parsed else []
    if parsed is None or not found:
        return None
    most = max(found, key=lambda symbol: symbol.size)
    return most.name, most.size, _place(unit, parsed, most)


def first_use(unit: UnitObject, symbol: str) -> str | None:
    """Where code first refers to a symbol."""
    parsed = _read(unit)
    if parsed is None:
        return None
    wanted = {index for index, entry in enumerate(parsed.symbol_table(SHT_SYMTAB)) if entry.name == symbol}
    for section in parsed.sections:
        if section.type == SHT_RELA and section.name.startswith(".rela.text"):
            for relocation in parsed.relocations(section):
                if relocation.symbol in wanted:
                    return _line(unit, parsed.sections[section.info].name, relocation.offset)
    return None


def _place(unit: UnitObject, parsed: ElfFile, symbol: Symbol) -> str | None:
    """Debug information knows lines of code; of data it knows only what the compiler left in the symbol's section."""
    if symbol.section >= len(parsed.sections):
        return None
    return _line(unit, parsed.sections[symbol.section].name, symbol.value)


def _read(unit: UnitObject) -> ElfFile | None:
    try:
        return ElfFile.read(unit.path)
    except UnishareError:
        return None


def _line(unit: UnitObject, section: str, offset: int) -> str | None:
    command = ["addr2line", "-e", str(unit.path), "-j", section, hex(offset)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    place = done.stdout.split(" (")[0].strip()
    if done.returncode or place.startswith("??"):
        return None
    return place.split("/", _PREFIX_PARTS)[-1] if place.startswith("/unishare/") else place
