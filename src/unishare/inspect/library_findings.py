"""What a library's own object holds that costs sharing or memory, or that no image can hold. Part of `library_check`."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from pydantic import BaseModel, ConfigDict

from unishare.formats import elf
from unishare.formats.elf import ElfFile, Symbol
from unishare.formats.sections import Kind, kind_of
from unishare.toolchain.link.contents import TABLE_SLOTS
from unishare.toolchain.objects.cache import UnitObject
from unishare.toolchain.objects.symbol_rules import IFUNC

SHOWN = 5
# psABI x86-64, table 4.9: forms that read a table entry which the linker cannot replace by the address itself.
_GOT = {3: "GOT32", 9: "GOTPCREL", 25: "GOTOFF64", 26: "GOTPC32", 27: "GOT64", 28: "GOTPCREL64", 29: "GOTPC64", 30: "GOTPLT64"}


class Effect(enum.StrEnum):
    """What a finding does."""

    LINKING = "breaks linking"
    SHARING = "spoils sharing"
    NOTE = "note"


class Finding(BaseModel):
    """One thing that was found, and what to do about it."""

    model_config = ConfigDict(frozen=True)

    kind: str
    effect: Effect
    subjects: tuple[str, ...]
    detail: str
    remedy: str


def own_findings(unit: UnitObject, parsed: ElfFile) -> Iterator[Finding]:
    """Everything that the object alone shows."""
    symbols = parsed.symbol_table(elf.SHT_SYMTAB)
    yield from _thread_local(parsed, symbols)
    yield from _unplaced_sections(unit)
    yield from _common(symbols)
    yield from _ifuncs(symbols)
    yield from _refused(unit)
    yield from _got(parsed, symbols)
    yield from _constructors(unit)
    yield from _writable(unit, parsed, symbols)


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """Findings that differ only in what they are about made one; what breaks something first."""
    groups: dict[Finding, list[str]] = {}
    for finding in findings:
        groups.setdefault(finding.model_copy(update={"subjects": ()}), []).extend(finding.subjects)
    joined = [alike.model_copy(update={"subjects": tuple(subjects)}) for alike, subjects in groups.items()]
    return sorted(joined, key=lambda group: list(Effect).index(group.effect))


def abridged(names: Sequence[str]) -> str:
    """A few of many names."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _thread_local(parsed: ElfFile, symbols: Sequence[Symbol]) -> Iterator[Finding]:
    sections = {index for index, section in enumerate(parsed.sections) if section.flags & elf.SHF_TLS and section.size}
    if sections:
        yield Finding(
            kind="thread-local",
            effect=Effect.LINKING,
            subjects=_largest(symbols, sections) or [parsed.sections[min(sections)].name],
            detail=f"{sum(parsed.sections[index].size for index in sections)} bytes whose offsets depend on the whole image",
            remedy="Define away __thread, _Thread_local or thread_local (guests have one thread), or keep the file in an app.",
        )


def _unplaced_sections(unit: UnitObject) -> Iterator[Finding]:
    for name, size in unit.facts.unplaced_sections.items():
        collected = name.isidentifier()
        yield Finding(
            kind="identifier-section" if collected else "section",
            effect=Effect.LINKING,
            subjects=[name],
            detail=f"{size} bytes"
            + (f", collected from all objects of an image between __start_{name} and __stop_{name}" if collected else ""),
            remedy="Let the library keep a list of its own instead, in ordinary data."
            if collected
            else "Put it into .text.*, .rodata.*, .data.* or .bss.* (build.flags, defines), or exclude the file.",
        )


def _common(symbols: Sequence[Symbol]) -> Iterator[Finding]:
    names = [symbol.name for symbol in symbols if symbol.reserved and symbol.section == elf.SHN_COMMON]
    if names:
        yield Finding(
            kind="common",
            effect=Effect.SHARING,
            subjects=tuple(names),
            detail="tentative definitions: another object's of the same name, perhaps larger, is merged with them",
            remedy="Compile without -fcommon; define the variable in one file and declare it extern in the others.",
        )


def _ifuncs(symbols: Sequence[Symbol]) -> Iterator[Finding]:
    names = [symbol.name for symbol in symbols if symbol.type == elf.STT_GNU_IFUNC]
    if names:
        yield Finding(
            kind="ifunc",
            effect=Effect.LINKING,
            subjects=tuple(names),
            detail="chosen when an instance starts, by a loader that images do not have",
            remedy="Switch the choice by processor off (a define of the library, or excluded files), or choose in ordinary code.",
        )


def _refused(unit: UnitObject) -> Iterator[Finding]:
    for name, reason in unit.facts.refused.items():
        if reason != IFUNC:
            yield Finding(
                kind="symbol",
                effect=Effect.LINKING,
                subjects=(name,),
                detail=reason,
                remedy="Compile it with the house's compiler and without .symver, or exclude the file.",
            )


def _got(parsed: ElfFile, symbols: Sequence[Symbol]) -> Iterator[Finding]:
    uses: Counter[str] = Counter()
    for section in parsed.sections:
        if section.type == elf.SHT_RELA and parsed.sections[section.info].flags & elf.SHF_ALLOC:
            for relocation in parsed.relocations(section):
                if relocation.type in _GOT:
                    uses[f"{symbols[relocation.symbol].name or 'a local symbol'} ({_GOT[relocation.type]})"] += 1
    if uses:
        yield Finding(
            kind="got",
            effect=Effect.SHARING,
            subjects=[name for name, _ in uses.most_common()],
            detail=f"{uses.total()} references through a global offset table, which lies elsewhere in each image",
            remedy="Compile without -fPIC; in assembler files write the symbol itself, not @GOTPCREL.",
        )


def _constructors(unit: UnitObject) -> Iterator[Finding]:
    for name, count in (("constructors", unit.facts.constructors), ("destructors", unit.facts.destructors)):
        if count:
            yield Finding(
                kind="constructor",
                effect=Effect.NOTE,
                subjects=[f"{count} {name}"],
                detail=f"run in every instance, wanted or not; an image has {TABLE_SLOTS} slots for all libraries together",
                remedy="If the library can be set up by a call, do that at first use.",
            )


def _writable(unit: UnitObject, parsed: ElfFile, symbols: Sequence[Symbol]) -> Iterator[Finding]:
    for kind in (Kind.DATA, Kind.BSS):
        sections = {index for index, section in enumerate(parsed.sections) if kind_of(section.name) is kind}
        # Under aslr there are no windows: what its sections have is what an instance has of it.
        window = unit.facts.windows.get(kind)
        size = window.size if window is not None else sum(parsed.sections[index].size for index in sections)
        if not size:
            continue
        yield Finding(
            kind="writable",
            effect=Effect.NOTE,
            subjects=[f".{kind}: {size} bytes"],
            detail=f"largest: {abridged(_largest(symbols, sections)) or 'unnamed'}",
            remedy="Each instance has its own copy of the pages it writes to: make tables const, allocate large buffers when they are used.",
        )


def _largest(symbols: Sequence[Symbol], sections: set[int]) -> list[str]:
    inside = [symbol for symbol in symbols if symbol.section in sections and symbol.size and symbol.name]
    return [f"{symbol.name} ({symbol.size})" for symbol in sorted(inside, key=lambda symbol: (-symbol.size, symbol.name))]
