"""A library's module: linked a first time to see how large its tables and data are, then for good at its places in frames.

Both are kept beside the library's object. The first link's sizes are all that the global map needs to place it; where it was placed
is in the second file's name, so another map's places never meet a stale module.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from filelock import FileLock

from unishare.formats import elf
from unishare.formats.addresses import PAGE
from unishare.formats.elf import ElfFile
from unishare.formats.sections import LINKAGE_SECTIONS
from unishare.toolchain.link.aslr.module import library_script, link_module, refuse_absolute_code
from unishare.toolchain.map.frame_space import FrameKind, FrameWindows
from unishare.toolchain.objects.cache import UnitObject, WindowSize
from unishare.toolchain.tools.commands import Tools
from unishare.toolchain.tools.compiler import Compiler

WRITABLE_SECTIONS = (".data", ".bss")
_SECTIONS = {FrameKind.LINKAGE: LINKAGE_SECTIONS, FrameKind.WRITABLE: WRITABLE_SECTIONS}


def sizes_of(library: UnitObject, compiler: Compiler, tools: Tools) -> Mapping[FrameKind, WindowSize]:
    """What a library's tables and writable data take, in bytes; a kind that it has nothing of is left out."""
    kept = library.path.with_name("frames.json")
    if not kept.is_file():
        with FileLock(kept.with_suffix(".lock")):
            if not kept.is_file():
                _measure(library, kept, compiler, tools)
    return _read(kept)


def module_of(library: UnitObject, windows: FrameWindows, compiler: Compiler, tools: Tools) -> Path:
    """The library's module for its places."""
    linkage, writable = (windows[kind].address % PAGE if kind in windows else 0 for kind in FrameKind)
    kept = library.path.with_name(f"module-{linkage:03x}-{writable:03x}.so")
    if kept.is_file():
        return kept
    with FileLock(kept.with_suffix(".lock")), tempfile.TemporaryDirectory(dir=library.path.parent) as folder:
        if not kept.is_file():
            _link(library, linkage, writable, Path(folder), compiler, tools).rename(kept)
    return kept


@cache
def _read(kept: Path) -> Mapping[FrameKind, WindowSize]:
    """What was measured; asked once for every app, so it is read once a process."""
    return {FrameKind(kind): WindowSize.model_validate(size) for kind, size in json.loads(kept.read_text()).items()}


def _measure(library: UnitObject, kept: Path, compiler: Compiler, tools: Tools) -> None:
    refuse_absolute_code(library.name, library.path)
    with tempfile.TemporaryDirectory(dir=library.path.parent) as folder:
        parsed = ElfFile.read(_link(library, 0, 0, Path(folder), compiler, tools))
        found = {kind.value: size for kind, names in _SECTIONS.items() if (size := _extent(parsed, names))}
        fresh = Path(folder) / kept.name
        fresh.write_text(json.dumps({kind: size.model_dump() for kind, size in found.items()}))
        fresh.rename(kept)


def _extent(parsed: ElfFile, names: Sequence[str]) -> WindowSize | None:
    """From a page's start to the end of the last of some sections: they begin a page here."""
    there = [one for one in parsed.sections if one.name in names and one.size and one.flags & elf.SHF_ALLOC]
    if not there:
        return None
    start = min(one.address for one in there) // PAGE * PAGE
    return WindowSize(size=max(one.address + one.size for one in there) - start, alignment=max(one.alignment for one in there))


def _link(library: UnitObject, linkage: int, writable: int, work: Path, compiler: Compiler, tools: Tools) -> Path:
    (work / "unit.o").symlink_to(library.path)
    script = library_script(linkage, writable)
    return link_module(library.name, library.facts.weak, script, ["unit.o"], "module.so", compiler, tools, work)
