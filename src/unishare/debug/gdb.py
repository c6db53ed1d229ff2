"""A gdb command file for one instance: every module's symbols at the instance's own bases.

In: where the instance lies (the launcher's `bases`), and its pid where gdb can attach to it. Out: text for `gdb -x`. A KVM guest's
memory is not at its own addresses in the monitor's process, so there gdb gets symbols alone: `info symbol`, `info line`, `disassemble`.
"""

from __future__ import annotations

from pathlib import Path

from unishare.errors import NotFoundError
from unishare.fleet.messages import Bases

FRAMES = Path(__file__).with_name("hypercall_frames.gdb")
HEAD = """\
# Symbols of the unishare instance {instance}, made by 'unishare gdb'. Its addresses hold until it ends.
set confirm off
set auto-solib-add off
"""
# What gdb finds by itself in an instance is the monitor's program, which has left that process.
ATTACH = """\
set exec-file-mismatch off
attach {pid}
symbol-file
"""


def command_file(instance: str, bases: Bases, pid: int | None) -> str:
    """The commands; with a pid they attach first."""
    missing = [module.module for module in bases.modules if module.file is None]
    if len(missing) == len(bases.modules):
        raise NotFoundError(
            f"{instance}: the ELF files of its image are gone", "Build the image again and start a new instance."
        )
    text = HEAD.format(instance=instance)
    if pid is not None:
        text += ATTACH.format(pid=pid)
    text += "".join(f"# {name}: its ELF file is gone\n" for name in missing)
    for module in bases.modules:
        if module.file is not None:
            text += f"add-symbol-file {_quoted(module.file)} -o {module.base}\n"
    if pid is not None:
        text += FRAMES.read_text(encoding="ascii").replace("HYPERCALL_PAGE", bases.hypercall)
    return text


def _quoted(path: str) -> str:
    """A file name as gdb splits arguments."""
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
