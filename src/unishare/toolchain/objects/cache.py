"""Relocatable objects: everything of one library, or of one app, compiled and combined into one file, cached by content.

Out: `objects/<2 hex>/<key>/unit.o` and `unit.json` beside it, which holds what later steps ask: digest, symbols, window sizes.
The key covers the compiler, the flags, the sources and every header folder on the include path, so an entry never goes stale.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ConfigDict

from unishare.errors import BuildError
from unishare.formats import elf
from unishare.formats.elf import ElfFile
from unishare.formats.sections import INPUT_PATTERNS, Kind, kind_of
from unishare.state import mark_used
from unishare.toolchain.objects.compilation import Unit, submit
from unishare.toolchain.tools.commands import Tools
from unishare.toolchain.tools.compiler import HOUSE_FLAGS, LANGUAGE_FLAGS, VARIANT_FLAGS, Compiler, Variant
from unishare.toolchain.tools.digests import of_bytes, of_value

FORMAT = 6
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

    digest: str
    windows: dict[Kind, WindowSize]
    constructors: int
    destructors: int
    thread_local: bool
    # Sections that no window takes, and their bytes.
    homeless: dict[str, int] = {}
    strong: list[str]
    weak: list[str]
    undefined: list[str]


@dataclass(frozen=True)
class UnitObject:
    """A combined object in the cache."""

    name: str
    version: str
    path: Path
    facts: UnitFacts

    @property
    def digest(self) -> str:
        """The SHA-256 of the object: the identity of this library version."""
        return self.facts.digest


class ObjectCache:
    """The combined objects of one home."""

    def __init__(self, folder: Path, compiler: Compiler, tools: Tools) -> None:
        self._folder = folder
        self._compiler = compiler
        self._tools = tools

    def key(self, unit: Unit, variant: Variant, inputs: Sequence[str]) -> str:
        """The name of a unit's cache entry; `inputs` are digests of the folders it is compiled from."""
        flags = [*HOUSE_FLAGS, *LANGUAGE_FLAGS[unit.language], *VARIANT_FLAGS[variant], *_without_paths(unit)]
        return of_value([FORMAT, self._compiler.identity, unit.owner, unit.language, flags, unit.files, list(inputs)])

    def get(self, unit: Unit, version: str, variant: Variant, inputs: Sequence[str], pool: Executor) -> UnitObject:
        """A unit's object: from the cache, or compiled now."""
        key = self.key(unit, variant, inputs)
        entry = self._folder / key[:2] / key
        if not entry.is_dir():
            entry.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(entry.parent / f"{key}.lock"):
                if not entry.is_dir():
                    self._make(unit, variant, entry, pool)
        return _read(unit, version, entry)

    def kept(self, unit: Unit, version: str, variant: Variant, inputs: Sequence[str]) -> UnitObject | None:
        """A unit's object if it was compiled before."""
        key = self.key(unit, variant, inputs)
        entry = self._folder / key[:2] / key
        return _read(unit, version, entry) if entry.is_dir() else None

    def _make(self, unit: Unit, variant: Variant, entry: Path, pool: Executor) -> None:
        with tempfile.TemporaryDirectory(dir=entry.parent, prefix="new-") as folder:
            work = Path(folder)
            fresh = work / "entry"
            fresh.mkdir()
            jobs = submit(unit, variant, self._compiler, self._tools, pool, work)
            try:
                objects = [str(job.result()) for job in jobs]
            finally:
                for job in jobs:
                    job.cancel()
            command = [self._compiler.ld, "-r", "--force-group-allocation", "-o", str(fresh / "unit.o"), *objects]
            self._must(unit, command)
            if variant is Variant.PIC:
                elf.expose_hidden(fresh / "unit.o")
            facts = self._facts(unit, variant, fresh / "unit.o", work)
            (fresh / "unit.json").write_text(facts.model_dump_json())
            shutil.move(fresh, entry)

    def _facts(self, unit: Unit, variant: Variant, path: Path, work: Path) -> UnitFacts:
        parsed = ElfFile.read(path)
        symbols = parsed.symbols()
        return UnitFacts(
            digest=of_bytes(parsed.data),
            windows=self._window_sizes(unit, path, work) if variant is Variant.WHOLE else {},
            constructors=_pointers(parsed, (".init_array", ".ctors")),
            destructors=_pointers(parsed, (".fini_array", ".dtors")),
            thread_local=any(section.flags & elf.SHF_TLS and section.size for section in parsed.sections),
            homeless=_homeless(parsed),
            strong=sorted({one.name for one in symbols if one.defined and one.binding != elf.STB_WEAK}),
            weak=sorted({one.name for one in symbols if one.defined and one.binding == elf.STB_WEAK}),
            undefined=sorted({one.name for one in symbols if not one.defined and one.binding != elf.STB_WEAK and one.name}),
        )

    def _window_sizes(self, unit: Unit, path: Path, work: Path) -> dict[Kind, WindowSize]:
        """Measure by linking the library alone: only the linker knows what merging strings leaves."""
        bodies = (f".{kind} {_TRIAL_ADDRESSES[kind]:#x} : {{ *({INPUT_PATTERNS[kind]}) }}" for kind in Kind)
        script = work / "trial.ld"
        script.write_text("SECTIONS {\n" + "\n".join(bodies) + "\n/DISCARD/ : { *(.eh_frame .note* .comment .debug*) } }\n")
        trial = work / "trial"
        self._must(
            unit,
            [self._compiler.ld, "-static", "-S", "-e", "0", "--unresolved-symbols=ignore-all", "--noinhibit-exec",
             "--no-warn-rwx-segments", "-T", str(script), "-o", str(trial), str(path)],
        )  # fmt: skip
        sections = {section.name.removeprefix("."): section for section in ElfFile.read(trial).sections}
        found = ((kind, sections.get(kind.value)) for kind in Kind)
        return {kind: WindowSize(size=one.size, alignment=one.alignment) for kind, one in found if one and one.size}

    def _must(self, unit: Unit, command: list[str]) -> None:
        code, output = self._tools.run(command)
        if code:
            raise BuildError(
                f"{unit.owner}: its objects cannot be combined:\n{output.strip()[:2000]}", f"The recipe is {unit.recipe}."
            )


def _read(unit: Unit, version: str, entry: Path) -> UnitObject:
    facts = UnitFacts.model_validate_json((entry / "unit.json").read_bytes())
    mark_used(entry)
    return UnitObject(unit.owner, version, entry / "unit.o", facts)


def _without_paths(unit: Unit) -> list[str]:
    """The flags with folders replaced by their stable names."""
    flags = list(unit.flags)
    for path, name in sorted(unit.prefixes, key=lambda pair: -len(pair[0])):
        flags = [flag.replace(path, name) for flag in flags]
    return flags


def _homeless(parsed: ElfFile) -> dict[str, int]:
    loaded = (one for one in parsed.sections if one.flags & elf.SHF_ALLOC and one.size)
    return {one.name: one.size for one in loaded if kind_of(one.name) is None}


def _pointers(parsed: ElfFile, names: Sequence[str]) -> int:
    """How many function pointers sections of these names hold."""
    return sum(section.size for section in parsed.sections if section.name.startswith(tuple(names))) // 8
