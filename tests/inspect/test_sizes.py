"""Sizes: what is counted, what is left out, and how ratios are formed."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolchain.project import Project
from toolchain.test_build import code, main_calling
from unishare.formats.manifest import Manifest
from unishare.inspect.sizes import compare, geometric_means, ratios_of_apps
from unishare.pool.store import Pool


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.library("alpha", code("alpha"))
    made.app("one", main_calling("alpha"), ["alpha"])
    made.app("two", main_calling("alpha"), ["alpha"], {"data.txt": "x" * 9000})
    pool = Pool.create(made.settings.pool)
    for layout in ("default", "dce", "aligned"):
        for image in made.build(["one", "two"], layout):
            pool.add_image(image.folder)
    return made


def test_what_an_image_adds_is_its_manifest_and_its_own_runs(project: Project) -> None:
    pool = Pool.open(project.settings.pool)
    rows = {(row.app, row.layout): row for row in compare(project.settings, ["one", "two"])}
    assert len(rows) == 6
    folder = project.settings.image_folder("aligned", "two")
    manifest = Manifest.read(folder / "manifest.json")
    own = {one.run for one in manifest.extents if one.run and one.library is None}
    expected = sum(len(pool.read_run(run)) for run in own) + (folder / "manifest.json").stat().st_size
    assert rows["two", "aligned"].added == expected > rows["one", "aligned"].added + 8192
    assert rows["one", "default"].added > rows["one", "aligned"].added - 4096


def test_symbols_and_debug_information_are_in_the_file_and_not_in_what_is_loaded(project: Project) -> None:
    for row in compare(project.settings, ["one"]):
        elf = (project.settings.image_folder(row.layout, "one") / "image.elf").stat().st_size
        assert row.file == elf
        assert row.text + row.rodata + row.data < row.loaded < row.file
        assert row.tables > 0 and row.tables % 2048 == 0


def test_only_named_apps_are_compared_and_ratios_pair_the_layouts_of_one_app(project: Project) -> None:
    rows = compare(project.settings, ["two", "never-built"])
    assert {row.app for row in rows} == {"two"}
    both = ratios_of_apps(compare(project.settings, ["one", "two"]))
    files = {row.layout: row.file for row in rows}
    assert both["aligned/default file"]["two"] == files["aligned"] / files["default"]
    assert both["aligned/default file"].keys() == {"one", "two"}
    means = geometric_means(both)
    one, two = both["aligned/default file"].values()
    assert means["aligned/default file"] == pytest.approx((one * two) ** 0.5)
