"""From a unit's objects to one: `ld -r`, with symbols as images have them.

A unit that registers destructors (`__cxa_atexit`) names itself by the address of `__dso_handle`, which a C compiler's start files define
in every program and shared library. Here every unit gets one of its own, local to it, among its constants.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unishare.formats import elf
from unishare.formats.elf import ElfFile
from unishare.toolchain.objects.compilation import Unit
from unishare.toolchain.objects.facts import must_combine
from unishare.toolchain.objects.function_order import order_script
from unishare.toolchain.tools.commands import Tools
from unishare.toolchain.tools.compiler import Compiler, Variant

HANDLE = "__dso_handle"
# A library's code begins at a cache line whatever lies before it, so its loops lie in lines alike under every layout: what a layout
# costs is not mixed up with where they happened to fall. 64 bytes on every x86-64 processor (CPUID leaf 1, EBX 15:8).
CACHE_LINE_BYTES = 64
_HANDLE_SOURCE = f"""\
    .section .rodata.{HANDLE}, "a"
    .balign 8
    .globl {HANDLE}
    .hidden {HANDLE}
{HANDLE}:
    .quad 0
    .section .note.GNU-stack, "", @progbits
"""


def combine(
    unit: Unit, variant: Variant, objects: Sequence[str], output: Path, compiler: Compiler, tools: Tools, work: Path
) -> None:
    """Combine objects into `output`."""
    command = [compiler.ld, "-r", "--force-group-allocation", "-o", str(output)]
    if unit.order and variant is not Variant.DCE:
        script = work / "order.ld"
        script.write_text(order_script(unit.order))
        command += ["-T", str(script)]
    must_combine(unit, tools, [*command, *objects])
    combined = ElfFile.read(output)
    changes = []
    if any(symbol.name == HANDLE and not symbol.defined for symbol in combined.symbols()):
        source, handle = work / "handle.s", work / "handle.o"
        source.write_text(_HANDLE_SOURCE)
        must_combine(unit, tools, [compiler.assembler, "-o", str(handle), str(source)])
        must_combine(unit, tools, [*command, *objects, str(handle)])
        changes.append(f"--localize-symbol={HANDLE}")
    # Without dead code each function is a section, and is dropped or packed alone. Some code wants more than a line, and keeps it.
    sections = [] if variant is Variant.DCE else combined.sections
    if any(section.name == ".text" and section.alignment < CACHE_LINE_BYTES for section in sections):
        changes.append(f"--set-section-alignment=.text={CACHE_LINE_BYTES}")
    if changes:
        must_combine(unit, tools, [compiler.objcopy, *changes, str(output)])
    elf.normalise_symbols(output, expose=variant is Variant.PIC)
