"""Small freestanding projects written into a folder: real recipes, real C, compiled and linked by the real toolchain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from unishare.formats.elf import ElfFile
from unishare.formats.sections import Kind
from unishare.settings import Settings
from unishare.toolchain.build import Builder, Image
from unishare.toolchain.recipes.catalog import Catalog

# What the image's stub calls; the real one is guest/boot.
BOOT = """

void unishare_boot_nothing(void) {}
void unishare_boot_enter(const unsigned long *boot, const unsigned long *table) { ((int (*)(void))table[1])(); (void)boot; for (;;) { } }
"""


class Project:
    """A catalogue of one's own in a folder, and a home beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.settings = Settings(folder / "home")
        self.library("boot", BOOT)

    def library(self, name: str, code: str, needs: Sequence[str] = (), *, version: str = "1", more: str = "") -> Path:
        """Write a library of one file; its recipe."""
        source = self.folder / "libraries" / f"{name}-source"
        source.mkdir(parents=True, exist_ok=True)
        (source / f"{name}.c").write_text(code)
        recipe = self.folder / "libraries" / f"{name}.toml"
        recipe.write_text(
            f'name = "{name}"\nversion = "{version}"\nlicense = "0BSD"\n'
            f'[source]\nprovider = "folder"\npath = "{name}-source"\n[build]\nfiles = ["*.c"]\npublic_include = ["."]\n{more}\n'
            f"[link]\nneeds = [{', '.join(repr(need) for need in needs)}]\n"
        )
        return recipe

    def app(
        self, name: str, code: str, libraries: Sequence[str], files: Mapping[str, str] | None = None, more: str = ""
    ) -> Path:
        """Write an app of one file; its recipe."""
        folder = self.folder / "apps" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "main.c").write_text(code)
        entries = "\n".join(f'"/app/{file}" = "{file}"' for file in files or {})
        for file, text in (files or {}).items():
            (folder / file).write_text(text)
        names = ", ".join(repr(one) for one in ["boot", *libraries])
        (folder / "app.toml").write_text(f'name = "{name}"\nlibraries = [{names}]\n{more}\n[files]\n{entries}\n')
        return folder / "app.toml"

    def build(self, names: Sequence[str], layout: str = "aligned", jobs: int = 2) -> list[Image]:
        """Build apps of the project."""
        with Builder(Catalog([self.folder]), self.settings, jobs, lambda *_: None) as builder:
            return list(builder.images(names, layout))

    def elf(self, name: str, layout: str = "aligned") -> ElfFile:
        """A built image's ELF file."""
        return ElfFile.read(self.settings.image_folder(layout, name) / "image.elf")


def library_sections(image: ElfFile, library: str) -> dict[str, tuple[int, bytes]]:
    """Address and bytes of each section of a library's windows."""
    names = {f".{kind}.{library}" for kind in Kind}
    return {one.name: (one.address, image.content(one)) for one in image.sections if one.name in names}
