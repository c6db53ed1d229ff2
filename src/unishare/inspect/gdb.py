"""A gdb command file for one instance: every module's symbols at the instance's own bases.

In: where the instance lies (the launcher's `bases`), and its pid where gdb can attach to it. Out: text for `gdb -x`. A KVM guest's
memory is not at its own addresses in the monitor's process, so there gdb gets symbols alone: `info symbol`, `info line`, `disassemble`.
"""

from __future__ import annotations

from pathlib import Path

from unishare.errors import NotFoundError
from unishare.fleet.messages import Bases
from unishare.formats import elf
from unishare.formats.elf import ElfFile

# elf.h, PF_X.
EXECUTABLE = 1
FRAMES = Path(__file__).with_name("hypercall_frames.gdb")
HEAD = """\
# Symbols of the unishare instance {instance}, made by 'unishare gdb'. Its addresses hold until it ends.
set confirm off
"""
# Without a program of our choice gdb takes the monitor's, which has left that process, and looks for its dynamic loader.
ATTACH = """\
set auto-solib-add off
set exec-file-mismatch off
exec-file {program}
attach {pid}
set mem inaccessible-by-default off
"""


def command_file(instance: str, bases: Bases, pid: int | None) -> str:
    """The commands; with a pid they attach first."""
    found = [(Path(module.file), int(module.base, 16)) for module in bases.modules if module.file is not None]
    if not found:
        raise NotFoundError(
            f"{instance}: the ELF files of its image are gone", "Build the image again and start a new instance."
        )
    lines = [f"# {module.module}: its ELF file is gone" for module in bases.modules if module.file is None]
    lines += [f"add-symbol-file {_quoted(file)} -o {base:#x}" for file, base in found]
    text = HEAD.format(instance=instance)
    if pid is None:
        return text + "\n".join(lines) + "\n"
    text += ATTACH.format(program=_quoted(found[0][0]), pid=pid)
    # Code is shared and cannot be written: gdb's `break` takes a processor's breakpoint where it knows that.
    lines += [f"mem {start:#x} {end:#x} ro" for file, base in found for start, end in _code(file, base)]
    return text + "\n".join(lines) + "\n" + FRAMES.read_text(encoding="ascii").replace("HYPERCALL_PAGE", bases.hypercall)


def _code(file: Path, base: int) -> list[tuple[int, int]]:
    """Where a module's code lies in the instance."""
    segments = (
        segment for segment in ElfFile.read(file).segments if segment.type == elf.PT_LOAD and segment.flags & EXECUTABLE
    )
    return [
        (base + segment.address, base + segment.address + segment.memory_size) for segment in segments if segment.memory_size
    ]


def _quoted(path: Path) -> str:
    """A file name as gdb splits arguments."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'
