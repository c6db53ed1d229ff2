"""The layout `aslr` as the builder sees it: link the app's module, take the libraries', write modules and relocations."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from unishare.errors import BadInputError
from unishare.formats import elf
from unishare.formats.addresses import PAGE
from unishare.formats.elf import ElfFile
from unishare.formats.image import ELF_NAME, ImageFacts, PlacedModule, RelocationsReference
from unishare.toolchain.link.aslr.library import module_of, sizes_of
from unishare.toolchain.link.aslr.module import app_script, link_module, refuse_unplaceable
from unishare.toolchain.link.aslr.resolve import Module, resolve
from unishare.toolchain.link.image_key import MODULES
from unishare.toolchain.link.job import LinkJob, Places, Site
from unishare.toolchain.link.stub import assemble_stub, refuse_too_many_constructors
from unishare.toolchain.map.global_map import GlobalMap
from unishare.toolchain.objects.cache import UnitObject
from unishare.toolchain.tools.commands import Tools
from unishare.toolchain.tools.compiler import Compiler, Variant
from unishare.toolchain.tools.digests import of_bytes

RELOCATIONS = "relocations.bin"
LINKER_SEGMENT_SECTION = ".dynsym"

STUB = """\
    .section .unishare.image, "aw"
    .globl unishare_image_table
unishare_image_table:
    .quad {magic:#x}, main, 0, 0, 0, 0
    .quad {files}, {files_size}
    .section .text.unishare_entry, "ax"
    .globl unishare_entry
    .type unishare_entry, @function
unishare_entry:
    xor %ebp, %ebp
    lea unishare_image_table(%rip), %rsi
    call *unishare_boot_enter@GOTPCREL(%rip)
    ud2
    .size unishare_entry, . - unishare_entry
    .section .note.GNU-stack, "", @progbits
"""


@dataclass(frozen=True)
class AslrLayout:
    """Every library at a base of its own, drawn when an instance starts."""

    name: str = "aslr"
    variant: Variant = Variant.PIC

    def places(self, libraries: Sequence[UnitObject], global_map: GlobalMap, compiler: Compiler, tools: Tools) -> Places:
        """The libraries' places in shared frames."""
        with ThreadPoolExecutor() as pool:
            sizes = list(pool.map(lambda library: sizes_of(library, compiler, tools), libraries))
        return Places(frames=global_map.frames(list(zip(libraries, sizes, strict=True))))

    def write(self, job: LinkJob, facts: ImageFacts, site: Site) -> None:
        """Write `image.elf` (the app's module), the libraries' modules, the relocations and `image.json`."""
        if job.app and job.app.facts.thread_local:
            raise BadInputError(
                f"{job.name}: has thread-local data, which the layout aslr does not support",
                "Build it with --layout aligned, or use ordinary variables: guests have one thread.",
            )
        refuse_too_many_constructors(
            job.name, sum(unit.facts.constructors for unit in job.units), sum(unit.facts.destructors for unit in job.units)
        )
        (site.image / MODULES).mkdir()
        app = self._link_app(job, site)
        modules = [Module(job.name, ElfFile.read(app))]
        digest = job.app.digest if job.app else of_bytes(modules[0].elf.data)
        references = [PlacedModule(name=job.name, hash=digest, pages=_span(modules[0].elf), file=ELF_NAME)]
        for library in job.libraries:
            windows = job.places.frames[library.digest]
            path = module_of(library, windows, site.compiler, site.tools)
            module = Module(library.name, ElfFile.read(path))
            file = f"{MODULES}/{library.name}.so"
            _link_or_copy(path, site.image / file)
            modules.append(module)
            places = {kind.value: window.address for kind, window in windows.items()}
            references.append(
                PlacedModule(name=library.name, hash=library.digest, pages=_span(module.elf), file=file, **places)
            )
        records = resolve(modules)
        (site.image / RELOCATIONS).write_bytes(b"".join(record.pack() for record in records))
        relocations = RelocationsReference(file=RELOCATIONS, count=len(records))
        facts.model_copy(update={"modules": references, "relocations": relocations}).write(site.image)

    def _link_app(self, job: LinkJob, site: Site) -> Path:
        objects = ["stub.o"]
        if job.app:
            refuse_unplaceable(job.name, job.app.path)
            (site.work / "app.o").symlink_to(job.app.path)
            objects.append("app.o")
        assemble_stub(STUB, job, site)
        weak = job.app.facts.weak if job.app else []
        link_module(job.name, weak, app_script(), objects, ELF_NAME, site.compiler, site.tools, site.work)
        (site.work / ELF_NAME).rename(site.image / ELF_NAME)
        return site.image / ELF_NAME


def _span(parsed: ElfFile) -> int:
    """Pages from a module's base to the end of what an image holds of it: the linker's own segment comes last and is left out."""
    end = max(
        (
            section.address + section.size
            for section in parsed.sections
            if section.flags & elf.SHF_ALLOC and section.address < _linker_segment(parsed)
        ),
        default=0,
    )
    return max(1, -(-end // PAGE))


def _linker_segment(parsed: ElfFile) -> int:
    return next((section.address for section in parsed.sections if section.name == LINKER_SEGMENT_SECTION), 1 << 63)


def _link_or_copy(source: Path, target: Path) -> None:
    """A second name for a module of the cache; a copy where the two lie on different file systems."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
