"""A home is moved, copied, restored and mounted elsewhere: its pool frees nothing that an image needs, and readers see whole images."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from full_disk import names_taken
from toolchain.project import Project
from toolchain.test_build import code, main_calling
from unishare.errors import BadInputError, NotFoundError
from unishare.formats.manifest import Manifest
from unishare.pool.store import Pool
from unishare.settings import Settings
from unishare.state import replace_folder
from unishare.toolchain.build import Builder
from unishare.toolchain.recipes.catalog import Catalog


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.library("alpha", code("alpha"))
    made.app("one", main_calling("alpha"), ["alpha"])
    made.app("two", main_calling("alpha"), [*("alpha",)])
    build(made)
    return made


def build(project: Project, *names: str) -> None:
    """Build and publish apps as the command does."""
    pool = Pool.create(project.settings.pool)
    with Builder(Catalog([project.folder]), project.settings, 2, lambda *_: None, publish=pool.publish) as builder:
        for image in builder.images(names or ("one", "two"), "aslr"):
            pool.ensure_image(image.folder)


def manifests(home: Path) -> list[Manifest]:
    return [Manifest.read(file) for file in sorted((home / "images").rglob("manifest.json"))]


def assert_whole(home: Path) -> None:
    """Every image folder of a home has all its runs."""
    pool = Pool.open(home / "pool")
    assert manifests(home)
    for manifest in manifests(home):
        assert manifest.runs <= pool.runs().keys()
    assert list(pool.damaged()) == []


def test_a_moved_home_keeps_all_its_runs(project: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path / "mnt" / "moved"
    elsewhere.parent.mkdir()
    project.settings.home.rename(elsewhere)
    assert Pool.open(elsewhere / "pool").collect() == (0, 0)
    assert_whole(elsewhere)


def test_a_home_seen_through_a_link_is_the_same_home(project: Project, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(project.settings.home)
    assert Pool.open(Settings(link).pool).collect() == (0, 0)
    assert_whole(project.settings.home)


@pytest.mark.parametrize("remove", ["copy", "original"])
def test_a_copied_home_and_its_original_do_not_depend_on_each_other(project: Project, tmp_path: Path, remove: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(project.settings.home, copy)
    gone, left = (copy, project.settings.home) if remove == "copy" else (project.settings.home, copy)
    shutil.rmtree(gone)
    assert Pool.open(left / "pool").collect() == (0, 0)
    assert_whole(left)


@pytest.mark.parametrize("inside", [True, False])
def test_a_copy_of_an_image_folder_may_be_made_and_deleted(project: Project, tmp_path: Path, inside: bool) -> None:
    folder = project.settings.image_folder("aslr", "one")
    copy = (project.settings.images if inside else tmp_path) / "backup"
    shutil.copytree(folder, copy)
    pool = Pool.open(project.settings.pool)
    pool.add_image(copy)
    shutil.rmtree(copy)
    assert pool.collect() == (0, 0)
    assert_whole(project.settings.home)


def test_removed_and_rebuilt_images_are_dropped(project: Project) -> None:
    old = Manifest.read(project.settings.image_folder("aslr", "one") / "manifest.json")
    project.app("one", "int alpha(int); int main(void) { return alpha(77); }", ["alpha"])
    build(project, "one")
    shutil.rmtree(project.settings.image_folder("aslr", "two"))
    pool = Pool.open(project.settings.pool)
    dropped, freed = pool.collect()
    assert dropped == 2 and freed > 0
    assert not old.runs <= pool.runs().keys()
    assert_whole(project.settings.home)


def test_a_home_without_any_image_is_taken_for_one_that_is_not_mounted(project: Project) -> None:
    aside = project.settings.home / "aside"
    project.settings.images.rename(aside)
    project.settings.images.mkdir()  # the empty mount point
    pool = Pool.open(project.settings.pool)
    with pytest.raises(BadInputError, match="is it mounted"):
        pool.collect()
    project.settings.images.rmdir()
    aside.rename(project.settings.images)
    assert pool.collect() == (0, 0)
    assert_whole(project.settings.home)
    shutil.rmtree(project.settings.images)
    assert pool.collect(even_if_home_is_empty=True)[0] == 2
    assert pool.runs() == {}


def test_an_image_from_outside_lives_until_it_is_forgotten(project: Project, tmp_path: Path) -> None:
    outside = tmp_path / "outside" / "one"
    shutil.copytree(project.settings.image_folder("aslr", "one"), outside)
    pool = Pool.open(project.settings.pool)
    pool.add_image(outside)
    for name in ("one", "two"):
        shutil.rmtree(project.settings.image_folder("aslr", name))
    outside.parent.rename(tmp_path / "moved")
    pool.collect(even_if_home_is_empty=True)
    manifest = Manifest.read(tmp_path / "moved" / "one" / "manifest.json")
    assert manifest.runs <= pool.runs().keys()
    assert [image.outside for image in pool.images()] == [(str(outside),)]
    with pytest.raises(NotFoundError):
        pool.forget("two")
    assert [image.manifest for image in pool.forget("one")] == [manifest]
    assert pool.collect(even_if_home_is_empty=True)[0] == 1
    assert pool.runs() == {}


def test_adding_another_image_from_the_same_folder_lets_the_first_go(project: Project, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    shutil.copytree(project.settings.image_folder("aslr", "one"), outside)
    pool = Pool.open(project.settings.pool)
    pool.add_image(outside)
    shutil.rmtree(outside)
    shutil.copytree(project.settings.image_folder("aslr", "two"), outside)
    pool.add_image(outside)
    shutil.rmtree(project.settings.image_folder("aslr", "one"))
    pool.collect()
    assert {image.manifest.name for image in pool.images()} == {"two"}


def test_records_of_pools_of_before_are_understood(project: Project, tmp_path: Path) -> None:
    pool = Pool.open(project.settings.pool)
    outside = tmp_path / "outside"
    shutil.copytree(project.settings.image_folder("aslr", "two"), outside)
    shutil.rmtree(project.settings.image_folder("aslr", "two"))
    for image in pool.images():
        place = "/another/home/images/aslr/one" if image.manifest.name == "one" else str(outside)
        (pool.folder / "images" / f"{image.id}.folder").write_text(f"{place}\n")
    assert pool.collect() == (0, 0)
    assert {image.manifest.name: image.outside for image in pool.images()} == {"one": (), "two": (str(outside),)}
    assert not list((pool.folder / "images").glob("*.folder"))


def test_readers_see_an_image_at_any_moment_of_a_rebuild(project: Project) -> None:
    manifest = project.settings.image_folder("aslr", "one") / "manifest.json"
    misses, stop = [], threading.Event()

    def watch() -> None:
        while not stop.is_set():
            try:
                found = Manifest.read(manifest)
                missing = found.runs - Pool.open(project.settings.pool).runs().keys()
                misses.extend(missing)
            except (NotFoundError, BadInputError) as error:
                misses.append(error.message)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for number in range(12):
            project.app("one", f"int alpha(int); int main(void) {{ return alpha({number}); }}", ["alpha"])
            build(project, "one")
    finally:
        stop.set()
        watcher.join()
    assert misses == []


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_folder_that_is_replaced_is_there_before_every_step(tmp_path: Path, number: int) -> None:
    fresh, folder = tmp_path / "fresh", tmp_path / "folder"
    for place in (fresh, folder):
        place.mkdir()
        (place / "name").write_text(place.name)
    seen = []
    with names_taken(tmp_path, number, lambda: seen.append((folder / "name").read_text())):
        replace_folder(fresh, folder)
    assert ((folder / "name").read_text(), (fresh / "name").read_text()) == ("fresh", "folder")
    assert set(seen) <= {"fresh", "folder"}


@pytest.mark.parametrize("layout", ["aslr", "aligned"])
def test_a_build_mends_every_damaged_or_lost_run(project: Project, layout: str) -> None:
    pool = Pool.create(project.settings.pool)
    with Builder(Catalog([project.folder]), project.settings, 2, lambda *_: None, publish=pool.publish) as builder:
        list(builder.images(["one"], layout))
    runs = Manifest.read(project.settings.image_folder(layout, "one") / "manifest.json").runs
    for damage in (lambda data: data[:-1] + b"x", lambda data: b"", lambda data: data[:4096], lambda data: None):
        for run in runs:
            file = pool.run_file(run)
            data = damage(file.read_bytes())
            file.unlink()
            if data is not None:
                file.write_bytes(data)
        again = Pool.open(project.settings.pool)
        with Builder(Catalog([project.folder]), project.settings, 2, lambda *_: None, publish=again.publish) as builder:
            image = next(iter(builder.images(["one"], layout)))
            again.ensure_image(image.folder)
        assert not image.fresh
        assert [run for run, _ in again.damaged() if run in runs] == []
        assert runs <= again.runs().keys()
