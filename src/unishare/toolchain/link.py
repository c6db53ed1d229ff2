"""The final link: objects and a layout's script to one static ELF file.

The linker runs in a temporary folder where everything has a short fixed name, so that nothing in the image depends on where
caches lie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unishare.errors import BadInputError, BuildError
from unishare.toolchain.compiler import Compiler
from unishare.toolchain.layouts import Layout
from unishare.toolchain.layouts.contents import TABLE_SLOTS, Contents, LibraryPart
from unishare.toolchain.objects import UnitObject
from unishare.toolchain.process import Tools
from unishare.toolchain.sections import Kind
from unishare.toolchain.zones import Window

IMAGE_MAGIC = 0x454C424154494E55  # abi.h: UNISHARE_IMAGE_MAGIC
FLAGS = (
    "-nostdlib", "-static", "-z", "noexecstack", "-z", "norelro", "-z", "max-page-size=4096", "--build-id=none",
    "--no-warn-rwx-segments", "--orphan-handling=place",
)  # fmt: skip
MESSAGE_LENGTH = 3000

# The one piece of code that is made for each image: it hands the image's own addresses to code that is the same everywhere.
STUB = """\
    .section .unishare.image, "a"
    .globl unishare_image_table
unishare_image_table:
    .quad {magic:#x}, main, unishare_tls_start, unishare_tls_file_size, unishare_tls_memory_size, unishare_tls_alignment
    .quad {files}, {files_size}
    .section .text.unishare_entry, "ax"
    .globl unishare_entry
    .type unishare_entry, @function
unishare_entry:
    xor %ebp, %ebp
    mov $unishare_image_table, %esi
    call unishare_boot_enter
    ud2
    .size unishare_entry, . - unishare_entry
    .section .note.GNU-stack, "", @progbits
"""
FILES = '    .section .unishare.files, "a"\nunishare_files:\n    .incbin "files.tar"\n'


@dataclass(frozen=True)
class LinkJob:
    """One image to link. `windows` by library digest; empty for layouts without a map."""

    app: UnitObject
    libraries: Sequence[UnitObject]
    windows: Mapping[str, Mapping[Kind, Window]]
    files: bytes


def link(job: LinkJob, layout: Layout, compiler: Compiler, tools: Tools, work: Path) -> Path:
    """Link in the folder `work`; the ELF file's path."""
    (work / "app.o").symlink_to(job.app.path)
    (work / "libs").mkdir()
    for library in job.libraries:
        (work / "libs" / f"{library.name}.o").symlink_to(library.path)
    _assemble_stub(job, compiler, tools, work)
    contents = _contents(job)
    (work / "image.ld").write_text(layout.script(contents))
    inputs = [*contents.app_objects, *(library.object for library in contents.libraries)]
    command = [compiler.ld, *FLAGS, *layout.linker_flags, "-T", "image.ld", "-o", "image.elf", *inputs]
    code, output = tools.run(command, work)
    if code:
        raise BuildError(f"{job.app.name}: the link failed:\n{output.strip()[:MESSAGE_LENGTH]}", _hint(output))
    return work / "image.elf"


def _contents(job: LinkJob) -> Contents:
    units = [job.app, *job.libraries]
    parts = [LibraryPart(one.name, f"libs/{one.name}.o", job.windows.get(one.digest, {})) for one in job.libraries]
    contents = Contents(
        app_objects=("stub.o", "app.o"),
        libraries=parts,
        constructors=sum(one.facts.constructors for one in units),
        destructors=sum(one.facts.destructors for one in units),
        thread_local=job.app.facts.thread_local,
    )
    if max(contents.constructors, contents.destructors) > TABLE_SLOTS:
        raise BadInputError(
            f"{job.app.name}: {contents.constructors} constructors and {contents.destructors} destructors, but the image "
            f"table has room for {TABLE_SLOTS} of each",
            "Use fewer static objects with constructors, or collect them in one.",
        )
    return contents


def _assemble_stub(job: LinkJob, compiler: Compiler, tools: Tools, work: Path) -> None:
    files = "unishare_files" if job.files else "0"
    text = STUB.format(magic=IMAGE_MAGIC, files=files, files_size=len(job.files))
    if job.files:
        (work / "files.tar").write_bytes(job.files)
        text += FILES
    (work / "stub.s").write_text(text)
    code, output = tools.run([compiler.assembler, "-o", "stub.o", "stub.s"], work)
    if code:
        raise BuildError(f"{job.app.name}: the image's stub does not assemble:\n{output.strip()[:MESSAGE_LENGTH]}")


def _hint(output: str) -> str | None:
    if "larger than its window" in output:
        return "The app's own code, data and files have 124 MiB of addresses: make it smaller."
    if "relocation truncated" in output:
        return "Code must reach its targets in 32 bits: is an object compiled with another code model?"
    return None
