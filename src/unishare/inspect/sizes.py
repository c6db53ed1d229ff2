"""Sizes of images under each layout, and what one more image adds to the pool."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unishare.formats import elf
from unishare.formats.addresses import PAGE
from unishare.formats.elf import ElfFile
from unishare.formats.image import ELF_NAME, MANIFEST_NAME
from unishare.formats.layouts import LAYOUTS
from unishare.formats.manifest import Manifest
from unishare.pool.store import Pool
from unishare.settings import Settings

_DEBUG = (".debug", ".symtab", ".strtab", ".shstrtab")


@dataclass(frozen=True)
class Sizes:
    """Bytes, but for `pages`. `file`: the ELF on disk; `loaded`: without symbols and debug information; `holes`: what of `loaded` is
    no section: headers and padding; `added`: what the image adds to the pool beside its libraries, its manifest and its own runs;
    `tables`: its page tables for KVM, divided by the images of the same shape."""

    app: str
    layout: str
    file: int
    loaded: int
    text: int
    rodata: int
    data: int
    bss: int
    holes: int
    pages: int
    added: int
    tables: int


def compare(settings: Settings, apps: Sequence[str]) -> list[Sizes]:
    """The built images of some apps, by app and layout."""
    pool = Pool.open(settings.pool)
    runs = pool.runs()
    shapes = Counter(image.manifest.page_tables.run for image in pool.images() if image.manifest.page_tables)
    return [
        _measure(settings.image_folder(layout, name), name, layout, runs, shapes)
        for name in apps
        for layout in LAYOUTS
        if (settings.image_folder(layout, name) / MANIFEST_NAME).is_file()
    ]


# Name of a ratio: (layout and field above, layout and fields below).
_RATIOS = {
    "aligned/default file": (("aligned", ("file",)), ("default", "file")),
    "aligned/default loaded": (("aligned", ("loaded",)), ("default", "loaded")),
    "dce/default file": (("dce", ("file",)), ("default", "file")),
    "dce/default loaded": (("dce", ("loaded",)), ("default", "loaded")),
    "aligned adds/dce file": (("aligned", ("added",)), ("dce", "file")),
    "aligned adds/dce loaded": (("aligned", ("added",)), ("dce", "loaded")),
    "aligned adds with tables/dce file": (("aligned", ("added", "tables")), ("dce", "file")),
    "aligned adds with tables/dce loaded": (("aligned", ("added", "tables")), ("dce", "loaded")),
}


def ratios_of_apps(rows: Sequence[Sizes]) -> dict[str, dict[str, float]]:
    """For each ratio its value for every app that has both layouts."""
    by_key = {(row.app, row.layout): row for row in rows}
    found: dict[str, dict[str, float]] = {}
    for name, ((layout, fields), (other, field)) in _RATIOS.items():
        for app in dict.fromkeys(row.app for row in rows):
            above, below = by_key.get((app, layout)), by_key.get((app, other))
            if above and below:
                value = sum(getattr(above, term) for term in fields) / getattr(below, field)
                found.setdefault(name, {})[app] = value
    return found


def geometric_means(ratios: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Over the apps."""
    return {name: statistics.geometric_mean(values.values()) for name, values in ratios.items()}


def _measure(folder: Path, app: str, layout: str, runs: Mapping[str, int], shapes: Mapping[str, int]) -> Sizes:
    parsed = ElfFile.read(folder / ELF_NAME)
    loads = [segment for segment in parsed.segments if segment.type == elf.PT_LOAD]
    kinds = {"r-x": 0, "r--": 0, "rw-": 0, "bss": 0}
    for section in parsed.sections:
        if section.flags & elf.SHF_ALLOC:
            right = "r-x" if section.flags & elf.SHF_EXECINSTR else "rw-" if section.flags & elf.SHF_WRITE else "r--"
            kinds["bss" if section.type == elf.SHT_NOBITS else right] += section.size
    debug = sum(header.size for header in parsed.sections if header.name.startswith(_DEBUG))
    loaded = len(parsed.data) - debug
    manifest = Manifest.read(folder / MANIFEST_NAME)
    own = sum(runs.get(run, 0) for run in {extent.run for extent in manifest.extents if extent.run and extent.library is None})
    tables = manifest.page_tables
    return Sizes(
        app=app, layout=layout, file=len(parsed.data), loaded=loaded,
        text=kinds["r-x"], rodata=kinds["r--"], data=kinds["rw-"], bss=kinds["bss"],
        holes=max(0, loaded - kinds["r-x"] - kinds["r--"] - kinds["rw-"]),
        pages=sum(-(-segment.memory_size // PAGE) for segment in loads), added=own + (folder / MANIFEST_NAME).stat().st_size,
        tables=tables.pages * PAGE // max(1, shapes.get(tables.run, 1)) if tables else 0,
    )  # fmt: skip
