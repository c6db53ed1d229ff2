"""Random sets of the catalogue's libraries: adding or removing one changes no page, and no byte, of the others."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from integration.conftest import build
from toolchain.project import library_sections
from unishare.formats.elf import ElfFile
from unishare.formats.manifest import Manifest
from unishare.settings import Settings
from unishare.toolchain.recipes.catalog import Catalog

# Libraries that define the same symbols cannot be in one image; parts of the C library come anyway.
APART = ({"duktape", "mujs"}, {"javascript-function", "lua-function"})
TOGETHER = "unishare-invoke"
Page = tuple[str, str, int]


def choosable(catalog: Catalog) -> list[str]:
    """Libraries of their own, as apps name them."""
    named = {name for app in catalog.apps() for name in app.libraries}
    return sorted(name for name in named if not name.startswith(("unishare-", "musl-")) and not name.endswith("-function"))


def write_app(folder: Path, name: str, libraries: list[str]) -> None:
    app = folder / "apps" / name
    app.mkdir(parents=True)
    (app / "main.c").write_text("int main(void) { return 0; }\n")
    (app / "app.toml").write_text(f'name = "{name}"\nlibraries = {[TOGETHER, *libraries]}\n')


def shared_pages(home: Settings, app: str) -> dict[str, dict[Page, tuple[str, int]]]:
    """For each library, which page of the pool each page of its read-only windows is."""
    found: dict[str, dict[Page, tuple[str, int]]] = {}
    for one in Manifest.read(home.image_folder("aligned", app) / "manifest.json").extents:
        if one.library and one.run and one.rights != "rw-":
            for page in range(one.pages):
                key = (one.section, one.rights, one.start // 4096 + page)
                found.setdefault(one.library, {})[key] = (one.run, one.first + page)
    return found


@pytest.mark.parametrize("seed", range(10))
def test_one_library_more_or_less_changes_nothing_of_the_others(home: Settings, tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    names = choosable(Catalog())
    for group in APART:
        kept = draw.choice(sorted(group))
        names = [name for name in names if name not in group - {kept}]
    chosen = draw.sample(names, draw.randint(2, 7))
    changed = draw.choice(chosen)
    rest = [name for name in chosen if name != changed]
    write_app(tmp_path / "project", "with-it", chosen)
    write_app(tmp_path / "project", "without-it", draw.sample(rest, len(rest)))
    (tmp_path / "home").mkdir()
    for cache in (home.objects, home.sources):
        (tmp_path / "home" / cache.name).symlink_to(cache)
    mine = Settings(tmp_path / "home")
    # Whichever comes first: the map and the pool must not mind.
    build(mine, Catalog([tmp_path / "project"]), tuple(draw.sample(["with-it", "without-it"], 2)), ("aligned",))

    pages, fewer = shared_pages(mine, "with-it"), shared_pages(mine, "without-it")
    assert changed in pages and changed not in fewer
    assert len(fewer) >= 15
    for library, found in fewer.items():
        assert found == pages[library], library
    one, other = (ElfFile.read(mine.image_folder("aligned", app) / "image.elf") for app in ("with-it", "without-it"))
    for library in fewer:
        assert library_sections(one, library) == library_sections(other, library), library
