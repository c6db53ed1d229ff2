"""Sizes of images under each layout."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unishare.fleet.image import LAYOUTS, MANIFEST
from unishare.pool.manifest import Manifest
from unishare.pool.store import Pool
from unishare.settings import Settings
from unishare.toolchain import elf
from unishare.toolchain.address_space import PAGE
from unishare.toolchain.elf import ElfFile
from unishare.toolchain.image import ELF_NAME

_DEBUG = (".debug", ".symtab", ".strtab", ".shstrtab")


@dataclass(frozen=True)
class Sizes:
    """Bytes, but for `pages`. `file`: the ELF on disk without symbols and debug information; `holes`: padding in it between
    sections; `added`: what the image adds to the pool beside its libraries: the manifest and the app's own runs."""

    app: str
    layout: str
    file: int
    text: int
    rodata: int
    data: int
    bss: int
    holes: int
    pages: int
    added: int


def compare(settings: Settings, apps: Sequence[str]) -> list[Sizes]:
    """All built images of some apps (of all, when none is named)."""
    folders = [settings.images / layout for layout in LAYOUTS]
    names = apps or sorted({one.parent.name for folder in folders for one in folder.glob(f"*/{MANIFEST}")})
    pool = Pool.open(settings.pool)
    runs = pool.runs()
    return [
        _measure(settings.image_folder(layout, name), name, layout, runs)
        for name in names
        for layout in LAYOUTS
        if (settings.image_folder(layout, name) / MANIFEST).is_file()
    ]


def ratios(rows: Sequence[Sizes]) -> dict[str, float]:
    """Geometric means over the apps that have both layouts."""
    files = {(row.app, row.layout): row.file for row in rows}
    added = {row.app: row.added for row in rows if row.layout == "aligned"}
    apps = sorted({row.app for row in rows})
    found = {}
    for above, below in (("aligned", "default"), ("dce", "default")):
        values = [files[app, above] / files[app, below] for app in apps if (app, above) in files and (app, below) in files]
        if values:
            found[f"{above}/{below} file"] = statistics.geometric_mean(values)
    values = [added[app] / files[app, "dce"] for app in apps if app in added and (app, "dce") in files]
    if values:
        found["aligned pooled adds/dce file"] = statistics.geometric_mean(values)
    return found


def _measure(folder: Path, app: str, layout: str, runs: dict[str, int]) -> Sizes:
    parsed = ElfFile.read(folder / ELF_NAME)
    loads = [one for one in parsed.segments if one.type == elf.PT_LOAD]
    kinds = {"r-x": 0, "r--": 0, "rw-": 0, "bss": 0}
    for section in parsed.sections:
        if section.flags & elf.SHF_ALLOC:
            right = "r-x" if section.flags & elf.SHF_EXECINSTR else "rw-" if section.flags & elf.SHF_WRITE else "r--"
            kinds["bss" if section.type == elf.SHT_NOBITS else right] += section.size
    debug = sum(one.size for one in parsed.sections if one.name.startswith(_DEBUG))
    stored = len(parsed.data) - debug
    manifest = Manifest.read(folder / MANIFEST)
    own = sum(runs.get(run, 0) for run in {one.run for one in manifest.extents if one.run and one.library is None})
    return Sizes(
        app=app, layout=layout, file=stored, text=kinds["r-x"], rodata=kinds["r--"], data=kinds["rw-"], bss=kinds["bss"],
        holes=max(0, stored - kinds["r-x"] - kinds["r--"] - kinds["rw-"]),
        pages=sum(-(-one.memory_size // PAGE) for one in loads), added=own + (folder / MANIFEST).stat().st_size,
    )  # fmt: skip
