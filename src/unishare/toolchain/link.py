"""The final link of the static layouts: objects and a generated script to one ELF file.

The linker runs in a temporary folder where everything has a short fixed name, so that nothing in the image depends on where
caches lie.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unishare.errors import BadInputError, BuildError
from unishare.toolchain.compiler import Compiler, Variant
from unishare.toolchain.frame_space import FrameWindows
from unishare.toolchain.global_map import GlobalMap, Windows
from unishare.toolchain.image import ELF_NAME, ImageFacts
from unishare.toolchain.layouts.contents import TABLE_SLOTS, Contents, LibraryPart
from unishare.toolchain.objects import UnitObject
from unishare.toolchain.process import Tools

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
# What the stub leaves to others: the program and the platform.
ENTRY_NEEDS = ("main", "unishare_boot_enter", "unishare_boot_nothing")
FILES = '    .section .unishare.files, "a"\nunishare_files:\n    .incbin "files.tar"\n'


@dataclass(frozen=True)
class Places:
    """What the global map says of libraries, by digest: addresses for fixed layouts, places in frames for aslr."""

    windows: Mapping[str, Windows] = field(default_factory=dict)
    frames: Mapping[str, FrameWindows] = field(default_factory=dict)

    def of(self, library: UnitObject) -> dict[str, int]:
        """One library's addresses, by kind."""
        windows, frames = self.windows.get(library.digest, {}), self.frames.get(library.digest, {})
        return {kind.value: window.address for kind, window in [*windows.items(), *frames.items()]}


@dataclass(frozen=True)
class LinkJob:
    """One image to link. `app` is None for an app of data only."""

    name: str
    app: UnitObject | None
    libraries: Sequence[UnitObject]
    places: Places
    files: bytes

    @property
    def units(self) -> list[UnitObject]:
        """All objects of the image, the app's first."""
        return [*([self.app] if self.app else []), *self.libraries]


@dataclass(frozen=True)
class Site:
    """Where and with what a link runs: `work` is a temporary folder, `image` the image folder that is being made."""

    compiler: Compiler
    tools: Tools
    work: Path
    image: Path


@dataclass(frozen=True)
class ScriptLayout:
    """A layout that is one run of the linker over all objects under one script."""

    name: str
    variant: Variant
    needs_map: bool
    linker_flags: tuple[str, ...]
    script: Callable[[Contents], str]

    def places(self, libraries: Sequence[UnitObject], global_map: GlobalMap, compiler: Compiler, tools: Tools) -> Places:
        """The libraries' windows, if the layout has them."""
        return Places(windows=global_map.windows(libraries)) if self.needs_map else Places()

    def write(self, job: LinkJob, facts: ImageFacts, site: Site) -> None:
        """Write `image.elf` and `image.json` into the image folder."""
        if job.app:
            (site.work / "app.o").symlink_to(job.app.path)
        (site.work / "libs").mkdir()
        for library in job.libraries:
            (site.work / "libs" / f"{library.name}.o").symlink_to(library.path)
        assemble_stub(STUB, job, site)
        contents = _contents(job)
        (site.work / "image.ld").write_text(self.script(contents))
        inputs = [*contents.app_objects, *(library.object for library in contents.libraries)]
        command = [site.compiler.ld, *FLAGS, *self.linker_flags, "-T", "image.ld", "-o", str(site.image / ELF_NAME), *inputs]
        code, output = site.tools.run(command, site.work)
        if code:
            raise BuildError(f"{job.name}: the link failed:\n{output.strip()[:MESSAGE_LENGTH]}", _hint(output))
        facts.write(site.image)


def _contents(job: LinkJob) -> Contents:
    parts = [LibraryPart(one.name, f"libs/{one.name}.o", job.places.windows.get(one.digest, {})) for one in job.libraries]
    contents = Contents(
        app_objects=("stub.o", "app.o") if job.app else ("stub.o",),
        libraries=parts,
        constructors=sum(one.facts.constructors for one in job.units),
        destructors=sum(one.facts.destructors for one in job.units),
        thread_local=job.app is not None and job.app.facts.thread_local,
    )
    refuse_too_many_constructors(job.name, contents.constructors, contents.destructors)
    return contents


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


def _hint(output: str) -> str | None:
    if "larger than its window" in output:
        return "The app's own code, data and files have 124 MiB of addresses: make it smaller."
    if "relocation truncated" in output:
        return "Code must reach its targets in 32 bits: is an object compiled with another code model?"
    return None
