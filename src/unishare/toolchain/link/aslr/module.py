"""One library, or one app, as a module: `ld -shared` over its combined object, with segments by right and nothing that depends on
where it or others will lie.

Own symbols are bound directly (-Bsymbolic), but for weak ones: those another module may override, so they go through the linkage
table like foreign ones (--dynamic-list). The script keeps what the loader writes (tables, constants with addresses) on pages of their
own, at the places that the library has in shared frames (frame_space.py), and what only the linker's bookkeeping needs (dynamic
symbols, relocations) in a last segment that no image holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unishare.errors import BadInputError, BuildError
from unishare.formats import elf
from unishare.formats.addresses import PAGE
from unishare.formats.elf import ElfFile
from unishare.toolchain.link.contents import CONSTRUCTORS_AT, DESTRUCTORS_AT, TABLE_SIZE
from unishare.toolchain.tools.commands import Tools
from unishare.toolchain.tools.compiler import Compiler

FLAGS = (
    "-shared", "-Bsymbolic", "-z", "text", "-z", "now", "-z", "norelro", "-z", "noexecstack", "-z", "max-page-size=4096",
    "--build-id=none", "--hash-style=sysv", "--no-warn-rwx-segments", "--orphan-handling=place",
)  # fmt: skip
# psABI x86-64, table 4.9: absolute forms, which would have to be written into shared pages.
_ABSOLUTE = {1: "R_X86_64_64", 10: "R_X86_64_32", 11: "R_X86_64_32S", 12: "R_X86_64_16", 14: "R_X86_64_8"}
# Relative forms: to what is in another module the distance differs in each instance.
_RELATIVE = {2: "R_X86_64_PC32", 24: "R_X86_64_PC64"}

SCRIPT = """\
PHDRS {{
  text PT_LOAD FLAGS(5); rodata PT_LOAD FLAGS(4); linkage PT_LOAD FLAGS(4); data PT_LOAD FLAGS(6); linker PT_LOAD FLAGS(4);
  dynamic PT_DYNAMIC FLAGS(4);
}}
SECTIONS {{
  .text 0 : {{ KEEP(*(.text.unishare_entry)) *(.text .text.*) }} :text
  .plt : {{ *(.plt .plt.got .plt.sec .iplt) }} :text
  . = ALIGN({page});
  .rodata : {{ *(.rodata .rodata.*) }} :rodata
  . = ALIGN({page});
  .unishare.files : {{ KEEP(*(.unishare.files)) }} :rodata
  . = ALIGN({page}) + {linkage:#x};
  {table}
  .got : {{ *(.got .igot) }} :linkage
  .got.plt : {{ *(.got.plt .igot.plt) }} :linkage
  .data.rel.ro : {{ *(.data.rel.ro .data.rel.ro.*) }} :linkage
  {own_constructors}
  . = ALIGN({page}) + {writable:#x};
  .data : {{ *(.data .data.*) }} :data
  .bss : {{ *(.bss .bss.* COMMON) }} :data
  . = ALIGN({page});
  .dynsym : {{ *(.dynsym) }} :linker
  .dynstr : {{ *(.dynstr) }} :linker
  .hash : {{ *(.hash) }} :linker
  .rela.dyn : {{ *(.rela.*) *(.rela) }} :linker
  .dynamic : {{ *(.dynamic) }} :linker :dynamic
  /DISCARD/ : {{ *(.eh_frame .eh_frame_hdr .note .note.* .comment .gnu.*) }}
}}
"""
_INITS = "KEEP(*(SORT_BY_INIT_PRIORITY(.init_array.*))) KEEP(*(.init_array))"
_FINIS = "KEEP(*(SORT_BY_INIT_PRIORITY(.fini_array.*))) KEEP(*(.fini_array))"
# The image table (abi.h). Slots behind the app's own constructors are filled by relocations (resolve.py).
_TABLE = (
    f".unishare.image : {{ KEEP(*(.unishare.image)) . = {CONSTRUCTORS_AT:#x}; __preinit_array_start = .; __preinit_array_end = .;"
    f" __init_array_start = .; {_INITS} . = {DESTRUCTORS_AT:#x}; __init_array_end = .; __fini_array_start = .; {_FINIS}"
    f" . = {TABLE_SIZE:#x}; __fini_array_end = .; }} :linkage"
)


def library_script(linkage: int, writable: int) -> str:
    """The linker script of a library's module; its tables and its data begin at these offsets in a page. Its constructors stay a
    list, for the app's table to point to."""
    own = f".init_array : {{ {_INITS} }} :linkage .fini_array : {{ {_FINIS} }} :linkage"
    return SCRIPT.format(page=PAGE, table="", own_constructors=own, linkage=linkage, writable=writable)


def app_script() -> str:
    """The linker script of an app's module: with the image table at the start of what the loader writes."""
    return SCRIPT.format(page=PAGE, table=_TABLE, own_constructors="", linkage=0, writable=0)


def link_module(
    owner: str, weak: Sequence[str], script: str, objects: list[str], output: str, compiler: Compiler, tools: Tools, work: Path
) -> Path:
    """Link a module in the folder `work`. Raises `BuildError` in the linker's words, with what to do."""
    exported = " ".join(f"{name};" for name in weak)
    (work / "weak.list").write_text(f"{{ {exported or 'unishare_no_symbol;'} }};\n")
    (work / "module.ld").write_text(script)
    command = [compiler.ld, *FLAGS, "--dynamic-list=weak.list", "-T", "module.ld", "-o", output, *objects]
    code, text = tools.run(command, work)
    if code:
        raise BuildError(
            f"{owner}: cannot be linked as position-independent code:\n{text.strip()[:2000]}",
            "Compile all of it with the house flags (-fPIC); give hidden symbols of other libraries default visibility.",
        )
    return work / output


def refuse_unplaceable(owner: str, path: Path) -> None:
    """Refuse an object that cannot lie at any page: one aligned to more than a page, or whose code or constants hold addresses, which
    could not be shared."""
    parsed = ElfFile.read(path)
    for section in parsed.sections:
        if section.flags & elf.SHF_ALLOC and section.alignment > PAGE:
            raise BadInputError(
                f"{owner}: {section.name} is aligned to {section.alignment} bytes, but under the layout aslr a module begins at any page",
                f"Align to {PAGE} bytes at most, allocate it with aligned_alloc when it is needed, or use the layout aligned.",
            )
    names = parsed.symbol_table(elf.SHT_SYMTAB)
    for section in parsed.sections:
        if section.type != elf.SHT_RELA:
            continue
        target = parsed.sections[section.info]
        if not target.flags & elf.SHF_ALLOC or target.flags & elf.SHF_WRITE:
            continue
        for relocation in parsed.relocations(section):
            symbol = names[relocation.symbol]
            refused = {**_ABSOLUTE, **_RELATIVE} if relocation.symbol and not symbol.defined else _ABSOLUTE
            if relocation.type in refused:
                raise BadInputError(
                    f"{owner}: {target.name}+{relocation.offset:#x} is not position-independent: {refused[relocation.type]} against "
                    f"{symbol.name or 'a local symbol'}",
                    "Compile it with -fPIC; assembler files must use (%rip) and @PLT or @GOTPCREL.",
                )
