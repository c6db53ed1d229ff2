"""Symbols and relocations across modules: what the loader has to write, as one list of one form.

In: the modules of an image, the app first. Out: 24-byte records (docs/formats/aslr.md). All of R_X86_64_RELATIVE, GLOB_DAT,
JUMP_SLOT and 64 (psABI x86-64, table 4.9) say "base of a module + number"; whatever does not is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unishare.errors import BadInputError, BuildError
from unishare.formats import elf
from unishare.formats.elf import ElfFile, Relocation, Symbol
from unishare.formats.relocations import MODULE_RECORD
from unishare.toolchain.link.contents import CONSTRUCTORS_AT, DESTRUCTORS_AT, TABLE_SLOTS

ABSOLUTE = 0xFFFFFFFF
IDLE = "unishare_boot_nothing"
TABLE = "unishare_image_table"
_RELATIVE, _GLOB_DAT, _JUMP_SLOT, _64 = 8, 6, 7, 1
_NAMES = {
    5: "R_X86_64_COPY",
    16: "R_X86_64_DTPMOD64",
    17: "R_X86_64_DTPOFF64",
    18: "R_X86_64_TPOFF64",
    37: "R_X86_64_IRELATIVE",
}


@dataclass(frozen=True, order=True)
class ModuleRecord:
    """The 8 bytes at `module`'s base + `offset` become `target`'s base + `addend`."""

    module: int
    offset: int
    target: int
    addend: int

    def pack(self) -> bytes:
        """The record as the monitor reads it."""
        return MODULE_RECORD.pack(self.module, self.target, self.offset, self.addend)


@dataclass(frozen=True)
class Module:
    """A linked module."""

    name: str
    elf: ElfFile


Definition = tuple[int, int]


def resolve(modules: Sequence[Module]) -> list[ModuleRecord]:
    """All records of an image, sorted by place."""
    definitions = _definitions(modules)
    records = [
        _record(modules, definitions, number, relocation, symbols)
        for number, module in enumerate(modules)
        for symbols in [module.elf.symbol_table(elf.SHT_DYNSYM)]
        for section in module.elf.sections
        if section.type == elf.SHT_RELA and section.flags & elf.SHF_ALLOC
        for relocation in module.elf.relocations(section)
    ]
    places = {(record.module, record.offset): record for record in records}
    table = definitions[TABLE][1]
    for at, name in ((CONSTRUCTORS_AT, ".init_array"), (DESTRUCTORS_AT, ".fini_array")):
        _fill_table(modules, definitions, places, table + at, name)
    return sorted(places.values())


def _definitions(modules: Sequence[Module]) -> dict[str, Definition]:
    """Where each global symbol lies; strong definitions before weak ones, and of these the first library's, the app's last: as in the
    fixed layouts, so that of a variable that several modules define weakly all use the same one."""
    found: dict[str, Definition] = {}
    for wanted in (elf.STB_GLOBAL, elf.STB_WEAK):
        for number in [*range(1, len(modules)), 0]:
            for symbol in modules[number].elf.symbols():
                if symbol.defined and symbol.binding == wanted:
                    # An absolute symbol is a number, which no base is added to.
                    is_absolute = symbol.reserved and symbol.section == elf.SHN_ABS
                    found.setdefault(symbol.name, (ABSOLUTE if is_absolute else number, symbol.value))
    return found


def _record(
    modules: Sequence[Module],
    definitions: dict[str, Definition],
    number: int,
    relocation: Relocation,
    symbols: Sequence[Symbol],
) -> ModuleRecord:
    module = modules[number]
    if relocation.type == _RELATIVE:
        return ModuleRecord(number, relocation.offset, number, relocation.addend)
    if relocation.type not in (_GLOB_DAT, _JUMP_SLOT, _64):
        raise BadInputError(
            f"{module.name}: {_section_at(module.elf, relocation.offset)}: relocation type {_NAMES.get(relocation.type, relocation.type)} is not supported"
            f" under the layout aslr",
            "Avoid thread-local data and ifuncs in it, or use the layout aligned.",
        )
    symbol = symbols[relocation.symbol]
    if symbol.name in definitions:
        target, value = definitions[symbol.name]
        return ModuleRecord(number, relocation.offset, target, value + relocation.addend)
    if symbol.binding == elf.STB_WEAK:
        return ModuleRecord(number, relocation.offset, ABSOLUTE, relocation.addend)
    raise BuildError(
        f"{module.name}: {_section_at(module.elf, relocation.offset)}: symbol {symbol.name} is defined by no module",
        "If a library defines it as hidden, give it default visibility (docs/formats/recipe.md, overlay).",
    )


def _fill_table(
    modules: Sequence[Module],
    definitions: dict[str, Definition],
    places: dict[tuple[int, int], ModuleRecord],
    start: int,
    name: str,
) -> None:
    """Point the image table's slots to the libraries' constructors, in the order of needs, and the rest to a function that does nothing."""
    used = sum((0, start + 8 * slot) in places for slot in range(TABLE_SLOTS))
    targets: list[Definition] = []
    for number, module in enumerate(modules):
        for section in module.elf.sections:
            if number and section.name == name:
                offsets = range(section.address, section.address + section.size, 8)
                targets += [(places[number, offset].target, places[number, offset].addend) for offset in offsets]
    own = [places[0, start + 8 * slot] for slot in range(used)]
    # Libraries before the app: it may use what they set up.
    targets += [(record.target, record.addend) for record in own]
    targets += [definitions[IDLE]] * (TABLE_SLOTS - len(targets))
    for slot, (target, value) in enumerate(targets):
        places[0, start + 8 * slot] = ModuleRecord(0, start + 8 * slot, target, value)


def _section_at(parsed: ElfFile, address: int) -> str:
    for section in parsed.sections:
        if section.flags & elf.SHF_ALLOC and section.address <= address < section.address + section.size:
            return f"{section.name}+{address - section.address:#x}"
    return f"{address:#x}"
