"""The end of the address space: a generation ends, the next begins, and images of both run side by side."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from integration.test_functions import check
from toolchain.project import library_sections
from unishare.cli.commands import cli
from unishare.errors import BadInputError
from unishare.fleet.examples import expectations
from unishare.formats.addresses import LIBRARY_BASE, ZONE
from unishare.formats.elf import ElfFile
from unishare.formats.manifest import Manifest
from unishare.pool.store import Pool
from unishare.settings import Settings
from unishare.toolchain.build import Builder
from unishare.toolchain.map.check import Agreement, agreement
from unishare.toolchain.map.global_map import GlobalMap
from unishare.toolchain.map.zones import Zones
from unishare.toolchain.recipes.catalog import Catalog

# One of small libraries and one of large ones: room for the C library and SQLite, not for four more large ones.
ZONES = 2


def tiny() -> Zones:
    return Zones(limit=LIBRARY_BASE + ZONES * ZONE)


def build(home: Settings, *names: str) -> None:
    pool = Pool.create(home.pool)
    with Builder(Catalog(), home, 2, lambda *_: None, GlobalMap(home.global_map, tiny)) as builder:
        for image in builder.images(names, "aligned"):
            pool.add_image(image.folder)


@pytest.fixture(scope="module")
def generations(home: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home whose map began a second generation: `sql` is of the first, `mujs` of the second, `hello` fits both."""
    folder = tmp_path_factory.mktemp("generations")
    for cache in (home.objects, home.sources):
        (folder / cache.name).symlink_to(cache)
    made = Settings(folder)
    build(made, "hello", "sql")
    build(made, "token", "regex", "zstd", "mujs")
    return made


def agrees(home: Settings, app: str) -> Agreement:
    return agreement(home.image_folder("aligned", app), GlobalMap(home.global_map, tiny).state())


def test_images_of_both_generations_agree_with_the_map_and_answer(generations: Settings, tender: str) -> None:
    assert GlobalMap(generations.global_map, tiny).state().generation == 2
    assert agrees(generations, "sql") == Agreement(1, [])
    assert agrees(generations, "mujs").generation == 2
    for app in ("hello", "sql", "mujs", "zstd"):
        assert agrees(generations, app).differences == []
        for expectation in expectations(Catalog().app(app)):
            check(generations, "aligned", tender, expectation)


def test_the_second_generation_is_kept_as_well_as_the_first(generations: Settings) -> None:
    """No window of either is cut into pieces, and the C library is one mapping in both."""
    for app in ("sql", "mujs"):
        extents = [
            one for one in Manifest.read(generations.image_folder("aligned", app) / "manifest.json").extents if one.library
        ]
        windows = [(one.library, one.section) for one in extents if one.rights != "rw-"]
        assert len(windows) == len(set(windows)) > 25
        assert len({one.run for one in extents if one.section == "text" and str(one.library).startswith("musl-")}) == 1


def test_the_command_names_the_generation(generations: Settings) -> None:
    said = CliRunner().invoke(cli, ["--home", str(generations.home), "map", "--check", "aligned:sql"])
    assert said.exit_code == 0
    assert "sql: every library is where generation 1 of the map says" in said.output
    assert "the map is in generation 2" in said.output


def test_images_of_other_layouts_are_refused_and_not_called_right(home: Settings) -> None:
    said = CliRunner().invoke(cli, ["--home", str(home.home), "map", "--check", "default:sql"])
    assert isinstance(said.exception, BadInputError)
    assert "is linked as default" in said.exception.message
    assert CliRunner().invoke(cli, ["--home", str(home.home), "map", "--check", "aligned:sql"]).exit_code == 0


def test_an_image_built_again_joins_the_newest_generation(generations: Settings, tmp_path: Path) -> None:
    home = Settings(tmp_path)
    for name in ("objects", "sources"):
        (tmp_path / name).symlink_to(getattr(generations, name).resolve())
    home.global_map.write_bytes(generations.global_map.read_bytes())
    build(home, "sql")
    assert agrees(home, "sql") == Agreement(2, [])
    old, new = (
        library_sections(ElfFile.read(one.image_folder("aligned", "sql") / "image.elf"), "sqlite")
        for one in (generations, home)
    )
    assert any(old[section][0] != new[section][0] for section in old)
    for expectation in expectations(Catalog().app("sql")):
        check(home, "aligned", "process", expectation)
