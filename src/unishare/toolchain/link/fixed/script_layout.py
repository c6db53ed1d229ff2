"""The final link of the static layouts: objects and a generated script to one ELF file.

The linker runs in a temporary folder where everything has a short fixed name, so that nothing in the image depends on where
caches lie.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from unishare.errors import BuildError
from unishare.formats.image import ELF_NAME, ImageFacts
from unishare.toolchain.link.contents import LibraryPart, LinkContents
from unishare.toolchain.link.job import LinkJob, Places, Site
from unishare.toolchain.link.stub import MESSAGE_LENGTH, STUB, assemble_stub, refuse_too_many_constructors
from unishare.toolchain.map.global_map import GlobalMap
from unishare.toolchain.objects.cache import UnitObject
from unishare.toolchain.tools.commands import Tools
from unishare.toolchain.tools.compiler import Compiler, Variant

FLAGS = (
    "-nostdlib", "-static", "-z", "noexecstack", "-z", "norelro", "-z", "max-page-size=4096", "--build-id=none",
    "--no-warn-rwx-segments", "--orphan-handling=place",
)  # fmt: skip
STUB_OBJECT = "stub.o"


@dataclass(frozen=True)
class ScriptLayout:
    """A layout that is one run of the linker over all objects under one script."""

    name: str
    variant: Variant
    needs_map: bool
    linker_flags: tuple[str, ...]
    script: Callable[[LinkContents], str]

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
        # Libraries first: of weak definitions the linker takes the first, and a library's pages must not depend on the app.
        inputs = [STUB_OBJECT, *(library.object for library in contents.libraries), *contents.app_objects[1:]]
        command = [site.compiler.ld, *FLAGS, *self.linker_flags, "-T", "image.ld", "-o", str(site.image / ELF_NAME), *inputs]
        code, output = site.tools.run(command, site.work)
        if code:
            raise BuildError(f"{job.name}: the link failed:\n{output.strip()[:MESSAGE_LENGTH]}", _hint(output))
        facts.write(site.image)


def _contents(job: LinkJob) -> LinkContents:
    parts = [
        LibraryPart(library.name, f"libs/{library.name}.o", job.places.windows.get(library.digest, {}))
        for library in job.libraries
    ]
    contents = LinkContents(
        app_objects=(STUB_OBJECT, "app.o") if job.app else (STUB_OBJECT,),
        libraries=parts,
        constructors=sum(unit.facts.constructors for unit in job.units),
        destructors=sum(unit.facts.destructors for unit in job.units),
        thread_local=job.app is not None and job.app.facts.thread_local,
    )
    refuse_too_many_constructors(job.name, contents.constructors, contents.destructors)
    return contents


def _hint(output: str) -> str | None:
    if "larger than its window" in output:
        return "The app's own code, data and files have 124 MiB of addresses: make it smaller."
    if "relocation truncated" in output:
        return "Code must reach its targets in 32 bits: is an object compiled with another code model?"
    return None
