"""A library's module: linked a first time to see how large its tables and data are, then for good at its places in frames.

Both are kept beside the library's object. The first link's sizes are all that the global map needs to place it; where it was placed
is in the second file's name, so another map's places never meet a stale module.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from filelock import FileLock

from unishare.formats import elf
from unishare.formats.addresses import PAGE
from unishare.formats.elf import ElfFile
from unishare.formats.sections import LINKAGE_SECTIONS
from unishare.state import read_record, replace_file, write_record
from unishare.toolchain.link.aslr.module import library_script, link_module, refuse_unplaceable
from unishare.toolchain.map.frame_space import FrameKind, FrameWindows
from unishare.toolchain.objects.cache import UnitObject, WindowSize
from unishare.toolchain.tools.commands import Tools
from unishare.toolchain.tools.compiler import Compiler
from unishare.toolchain.tools.digests import Digests, of_bytes
from unishare.unfinished import unfinished_folder

WRITABLE_SECTIONS = (".data", ".bss")
_DIGESTS = Digests()
_SIZES: dict[Path, Mapping[FrameKind, WindowSize]] = {}
_SECTIONS = {FrameKind.LINKAGE: LINKAGE_SECTIONS, FrameKind.WRITABLE: WRITABLE_SECTIONS}


def sizes_of(library: UnitObject, compiler: Compiler, tools: Tools) -> Mapping[FrameKind, WindowSize]:
    """What a library's tables and writable data take, in bytes; a kind that it has nothing of is left out."""
    sizes_file = library.path.with_name("frames.json")
    found = _sizes(sizes_file)
    if found is None:
        with FileLock(sizes_file.with_suffix(".lock")):
            found = _sizes(sizes_file)
            if found is None:
                _measure(library, sizes_file, compiler, tools)
                found = _sizes(sizes_file)
    assert found is not None
    return found


def module_of(library: UnitObject, windows: FrameWindows, compiler: Compiler, tools: Tools) -> Path:
    """The library's module for its places."""
    linkage, writable = (windows[kind].address % PAGE if kind in windows else 0 for kind in FrameKind)
    module_file = library.path.with_name(f"module-{linkage:03x}-{writable:03x}.so")
    if _is_whole(module_file):
        return module_file
    with FileLock(module_file.with_suffix(".lock")), unfinished_folder(library.path.parent) as work:
        if not _is_whole(module_file):
            data = _link(library, linkage, writable, work, compiler, tools).read_bytes()
            replace_file(module_file, data)
            write_record(_digest_file(module_file), of_bytes(data).encode())
    return module_file


def _sizes(sizes_file: Path) -> Mapping[FrameKind, WindowSize] | None:
    """What was measured; None if it was not, or cannot be read any more. Asked once for every app, so it is read once a process."""
    if sizes_file not in _SIZES:
        record = read_record(sizes_file)
        if record is None:
            return None
        _SIZES[sizes_file] = {FrameKind(kind): WindowSize.model_validate(size) for kind, size in json.loads(record).items()}
    return _SIZES[sizes_file]


def _is_whole(module: Path) -> bool:
    """Whether a module is there with the content that it was linked with; every file is read once a process."""
    record = read_record(_digest_file(module))
    return record is not None and module.is_file() and _DIGESTS.file(module).encode() == record


def _digest_file(module: Path) -> Path:
    return module.with_suffix(".digest")


def _measure(library: UnitObject, sizes_file: Path, compiler: Compiler, tools: Tools) -> None:
    refuse_unplaceable(library.name, library.path)
    with unfinished_folder(library.path.parent) as work:
        parsed = ElfFile.read(_link(library, 0, 0, work, compiler, tools))
        found = {kind.value: size for kind, names in _SECTIONS.items() if (size := _extent(parsed, names))}
        write_record(sizes_file, json.dumps({kind: size.model_dump() for kind, size in found.items()}).encode())


def _extent(parsed: ElfFile, names: Sequence[str]) -> WindowSize | None:
    """From a page's start to the end of the last of some sections: they begin a page here."""
    there = [section for section in parsed.sections if section.name in names and section.size and section.flags & elf.SHF_ALLOC]
    if not there:
        return None
    start = min(section.address for section in there) // PAGE * PAGE
    return WindowSize(
        size=max(section.address + section.size for section in there) - start,
        alignment=max(section.alignment for section in there),
    )


def _link(library: UnitObject, linkage: int, writable: int, work: Path, compiler: Compiler, tools: Tools) -> Path:
    (work / "unit.o").symlink_to(library.path)
    script = library_script(linkage, writable)
    return link_module(library.name, library.facts.weak, script, ["unit.o"], "module.so", compiler, tools, work)
