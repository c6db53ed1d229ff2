"""Does an app fit into the addresses that apps have? Said before the link, with the recipe's name and what is so large."""

from __future__ import annotations

from unishare.errors import BuildError
from unishare.formats.addresses import APP_BASE, APP_END
from unishare.formats.elf import SHF_ALLOC, ElfFile
from unishare.toolchain.link import source_lines
from unishare.toolchain.objects.cache import UnitObject
from unishare.toolchain.recipes.recipe import AppRecipe

ROOM = APP_END - APP_BASE


def refuse_too_large(app: AppRecipe, unit: UnitObject | None, files: bytes) -> None:
    """Raise if the app's own code, data and files take more than there is."""
    own = sum(section.size for section in ElfFile.read(unit.path).sections if section.flags & SHF_ALLOC) if unit else 0
    if own + len(files) <= ROOM:
        return
    largest = source_lines.largest(unit) if unit and own > len(files) else None
    if largest:
        name, size, place = largest
        what = f"The largest part is `{name}`, {size >> 20} MiB" + (f", in {place}" if place else "")
    else:
        what = f"Its files are {len(files) >> 20} MiB, its code and data {own >> 20} MiB"
    raise BuildError(
        f"{app.file}: {app.name} is larger than its window: {(own + len(files)) >> 20} MiB of code, data and files "
        f"of its own, and apps have {ROOM >> 20} MiB of addresses",
        f"{what}. Memory that is only filled at run time is better allocated.",
    )
