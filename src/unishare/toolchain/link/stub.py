"""The stub: the one object that is made for each image, with its image table, entry and files. Every layout links it."""

from __future__ import annotations

from unishare.errors import BadInputError, BuildError
from unishare.toolchain.link.contents import TABLE_SLOTS
from unishare.toolchain.link.job import LinkJob, Site

IMAGE_MAGIC = 0x454C424154494E55  # abi.h: UNISHARE_IMAGE_MAGIC
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
# What the stub leaves to others: the program and the platform.
ENTRY_NEEDS = ("main", "unishare_boot_enter", "unishare_boot_nothing")
FILES = '    .section .unishare.files, "a"\nunishare_files:\n    .incbin "files.tar"\n'


def refuse_too_many_constructors(name: str, constructors: int, destructors: int) -> None:
    """The image table has a fixed number of slots, so that the C library's code is the same in all images."""
    if max(constructors, destructors) > TABLE_SLOTS:
        raise BadInputError(
            f"{name}: {constructors} constructors and {destructors} destructors, but the image table has room for {TABLE_SLOTS} of each",
            "Use fewer static objects with constructors, or collect them in one.",
        )


def assemble_stub(template: str, job: LinkJob, site: Site) -> None:
    """Make `stub.o`: the image table, the entry and the files archive."""
    files = "unishare_files" if job.files else "0"
    text = template.format(magic=IMAGE_MAGIC, files=files, files_size=len(job.files))
    if job.files:
        (site.work / "files.tar").write_bytes(job.files)
        text += FILES
    (site.work / "stub.s").write_text(text)
    code, output = site.tools.run([site.compiler.assembler, "-o", "stub.o", "stub.s"], site.work)
    if code:
        raise BuildError(f"{job.name}: the image's stub does not assemble:\n{output.strip()[:MESSAGE_LENGTH]}")
