"""What is known of a combined object without opening it: `unit.json` beside it in the cache."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from unishare.errors import BuildError
from unishare.formats import elf
from unishare.formats.elf import ElfFile
from unishare.formats.sections import INPUT_PATTERNS, Kind, kind_of
from unishare.toolchain.objects.compilation import Unit
from unishare.toolchain.objects.symbol_rules import is_weak, refused
from unishare.toolchain.tools.commands import Tools
from unishare.toolchain.tools.compiler import Compiler, Variant
from unishare.toolchain.tools.digests import of_bytes

# Raised when more is asked of an object than older facts say: they are then taken again, and nothing is compiled.
FACTS_VERSION = 3
# Far apart, so that no trial link of one library can overlap itself, and all within reach of a 32-bit displacement.
_TRIAL_ADDRESSES = {Kind.TEXT: 0x10000000, Kind.RODATA: 0x20000000, Kind.DATA: 0x30000000, Kind.BSS: 0x40000000}


class WindowSize(BaseModel):
    """What one kind of section of a library takes, in bytes, after its own strings were merged."""

    model_config = ConfigDict(frozen=True)

    size: int
    alignment: int


class UnitFacts(BaseModel):
    """What is known of a combined object without opening it."""

    model_config = ConfigDict(frozen=True)

    version: int = 0
    digest: str
    windows: dict[Kind, WindowSize]
    constructors: int
    destructors: int
    thread_local: bool
    # Sections that no window takes, and their bytes.
    unplaced_sections: dict[str, int] = {}
    strong: list[str]
    weak: list[str]
    undefined: list[str]
    # Symbols that no image can hold, and why.
    refused: dict[str, str] = {}
    # What the compiler said though all files compiled.
    warnings: list[str] = []


def facts_of(unit: Unit, variant: Variant, path: Path, compiler: Compiler, tools: Tools, work: Path) -> UnitFacts:
    """The facts of a unit's combined object."""
    parsed = ElfFile.read(path)
    symbols = parsed.symbols()
    return UnitFacts(
        version=FACTS_VERSION,
        digest=of_bytes(parsed.data),
        windows=_window_sizes(unit, path, compiler, tools, work) if variant is Variant.WHOLE else {},
        constructors=_pointers(parsed, (".init_array",)),
        destructors=_pointers(parsed, (".fini_array",)),
        thread_local=any(section.flags & elf.SHF_TLS and section.size for section in parsed.sections),
        unplaced_sections=_unplaced_sections(parsed),
        strong=sorted({symbol.name for symbol in symbols if symbol.defined and not is_weak(symbol)}),
        weak=sorted({symbol.name for symbol in symbols if symbol.defined and is_weak(symbol)}),
        undefined=sorted(
            {symbol.name for symbol in symbols if not symbol.defined and symbol.binding != elf.STB_WEAK and symbol.name}
        ),
        refused=refused(parsed.symbol_table(elf.SHT_SYMTAB)),
    )


def must_combine(unit: Unit, tools: Tools, command: list[str]) -> None:
    """Run the linker on a unit's objects."""
    code, output = tools.run(command)
    if code:
        raise BuildError(
            f"{unit.owner}: its objects cannot be combined:\n{output.strip()[:2000]}", f"The recipe is {unit.recipe}."
        )


def _window_sizes(unit: Unit, path: Path, compiler: Compiler, tools: Tools, work: Path) -> dict[Kind, WindowSize]:
    """Measure by linking the library alone: only the linker knows what merging strings leaves."""
    bodies = (f".{kind} {_TRIAL_ADDRESSES[kind]:#x} : {{ *({INPUT_PATTERNS[kind]}) }}" for kind in Kind)
    script = work / "trial.ld"
    script.write_text("SECTIONS {\n" + "\n".join(bodies) + "\n/DISCARD/ : { *(.eh_frame .note* .comment .debug*) } }\n")
    trial = work / "trial"
    must_combine(
        unit,
        tools,
        [compiler.ld, "-static", "-S", "-e", "0", "--unresolved-symbols=ignore-all", "--noinhibit-exec",
         "--no-warn-rwx-segments", "-T", str(script), "-o", str(trial), str(path)],
    )  # fmt: skip
    sections = {section.name.removeprefix("."): section for section in ElfFile.read(trial).sections}
    found = ((kind, sections.get(kind.value)) for kind in Kind)
    return {
        kind: WindowSize(size=section.size, alignment=section.alignment) for kind, section in found if section and section.size
    }


def _unplaced_sections(parsed: ElfFile) -> dict[str, int]:
    loaded = (section for section in parsed.sections if section.flags & elf.SHF_ALLOC and section.size)
    return {section.name: section.size for section in loaded if kind_of(section.name) is None}


def _pointers(parsed: ElfFile, names: Sequence[str]) -> int:
    """How many function pointers sections of these names hold."""
    return sum(section.size for section in parsed.sections if section.name.startswith(tuple(names))) // 8
