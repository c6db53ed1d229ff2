"""The pool: real images in, shared runs out; damage, rebuilds, crashes and concurrent writers."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest

from toolchain.project import Project
from toolchain.test_build import code, main_calling
from unishare.errors import BadInputError, NotFoundError
from unishare.formats.manifest import Manifest
from unishare.pool.cutting import read_facts
from unishare.pool.pieces import pieces_of
from unishare.pool.store import Pool


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.library("alpha", code("alpha"))
    made.library("beta", code("beta", "alpha"), ["alpha"])
    made.app("one", main_calling("alpha"), ["alpha"])
    made.app("two", main_calling("beta"), ["beta"])
    return made


def add(project: Project, layout: str = "aligned") -> tuple[Pool, list[Manifest]]:
    pool = Pool.create(project.settings.pool)
    images = project.build(["one", "two"], layout)
    return pool, [Manifest.read(pool.add_image(image.folder)) for image in images]


def runs_of_library(manifest: Manifest, library: str) -> set[tuple[str, str | None]]:
    return {(one.section, one.run) for one in manifest.extents if one.library == library and one.rights != "rw-"}


def test_two_images_name_the_same_runs_for_the_same_library(project: Project) -> None:
    _, (one, two) = add(project)
    assert {section for section, _ in runs_of_library(one, "alpha")} == {"text", "rodata"}
    assert runs_of_library(one, "alpha") == runs_of_library(two, "alpha")


@pytest.mark.parametrize("layout", ["default", "dce", "aligned"])
def test_extents_hold_what_the_elf_says(project: Project, layout: str) -> None:
    pool, (_, manifest) = add(project, layout)
    memory = {}
    for extent in manifest.extents:
        data = pool.read_run(extent.run) if extent.run else b""
        for page in range(extent.pages):
            at = (extent.first + page) * 4096
            memory[extent.start + page * 4096] = data[at : at + 4096] if extent.run else bytes(4096)
    elf = project.elf("two", layout)
    for section in elf.sections:
        if section.flags & 2 and section.size:
            content = elf.content(section)
            for offset in range(section.size):
                page, within = divmod(section.address + offset, 4096)
                assert memory[page * 4096][within] == content[offset]


def test_the_same_inputs_give_the_same_manifest(project: Project) -> None:
    pool, (one, _) = add(project)
    again = Manifest.read(pool.add_image(project.settings.image_folder("aligned", "one")))
    assert again == one
    assert len(pool.images()) == 2


def test_a_few_unequal_pages_leave_the_others_shared(project: Project) -> None:
    big = "const char table[5 * 4096] __attribute__((aligned(4096))) = {1}; __attribute__((weak)) int hook(void) { return 1; }"
    project.library(
        "alpha",
        f"{big} static int (*const jump)(void) = hook; int (*volatile keep)(void); int alpha(int i) {{ keep = jump; return table[i] + hook(); }}",
    )
    project.app("one", main_calling("alpha"), ["alpha"])
    project.app("two", "int alpha(int); int hook(void) { return 2; } int main(void) { return alpha(1); }", ["alpha"])
    pool, (one, two) = add(project)
    rodata = [
        next(extent for extent in image.extents if extent.library == "alpha" and extent.section == "rodata")
        for image in (one, two)
    ]
    assert rodata[0].run == rodata[1].run
    text = [
        {extent.run for extent in image.extents if extent.library == "alpha" and extent.section == "text"}
        for image in (one, two)
    ]
    assert text[0] != text[1]
    assert pool.statistics().images == 2


def test_libraries_that_never_come_alone_go_on_from_each_other_in_one_run(project: Project) -> None:
    pool = Pool.create(project.settings.pool)
    two, one = (image.folder for image in project.build(["two", "one"]))
    facts = read_facts(two)
    facts.model_copy(update={"inseparable": ["boot", "alpha"]}).write(two)
    wide, narrow = Manifest.read(pool.add_image(two)), Manifest.read(pool.add_image(one))
    text = {one.library: one for one in wide.extents if one.library and one.section == "text"}
    assert text["boot"].run == text["alpha"].run != text["beta"].run
    assert text["alpha"].start == text["boot"].end
    assert text["alpha"].first == text["boot"].first + text["boot"].pages
    # A later image that names nothing as inseparable finds them where they are.
    assert runs_of_library(narrow, "alpha") == runs_of_library(wide, "alpha")
    assert list(pool.damaged()) == []


def test_verify_names_damaged_and_missing_runs(project: Project) -> None:
    pool, (one, _) = add(project)
    assert list(pool.damaged()) == []
    first, second = sorted({extent.run for extent in one.extents if extent.run})[:2]
    file = pool.run_file(first)
    file.chmod(0o644)
    file.write_bytes(b"x" + file.read_bytes()[1:])
    pool.run_file(second).unlink()
    assert {run for run, _ in pool.damaged()} == {first, second}


def test_collecting_keeps_what_images_name_and_frees_the_rest(project: Project) -> None:
    pool, (_, two) = add(project)
    project.app("one", main_calling("beta"), ["beta"])
    image = project.build(["one"])[0]
    pool.add_image(image.folder)
    dropped, freed = pool.collect()
    assert dropped == 1
    assert freed > 0
    assert list(pool.damaged()) == []
    assert two.runs <= pool.runs().keys()


def test_a_build_puts_back_what_the_pool_has_lost(project: Project) -> None:
    pool, (one, _) = add(project)
    folder = project.build(["one"])[0].folder
    before = (folder / "manifest.json").stat().st_ino
    assert pool.ensure_image(folder) == folder / "manifest.json"
    assert (folder / "manifest.json").stat().st_ino == before, "nothing was missing, but it was cut again"
    for run in (next(iter(one.runs)), one.page_tables.run if one.page_tables else ""):
        pool.run_file(run).unlink()
        pool.ensure_image(folder)
        assert one.runs <= pool.runs().keys()
    (folder / "manifest.json").write_text("{")
    pool.ensure_image(folder)
    assert Manifest.read(folder / "manifest.json").runs == one.runs
    assert list(pool.damaged()) == []


def test_the_collector_removes_what_killed_writers_left(project: Project) -> None:
    pool, _ = add(project)
    (pool.folder / "incoming" / "tmpfolder").mkdir()
    (pool.folder / "incoming" / "tmpfolder" / "tables").write_bytes(b"half")
    (pool.folder / "incoming" / "tmpfile").write_bytes(b"half")
    pool.collect()
    assert list((pool.folder / "incoming").iterdir()) == []


def test_a_folder_that_is_no_pool_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        Pool.open(tmp_path)
    (tmp_path / "format").write_text("something else\n")
    with pytest.raises(BadInputError):
        Pool.open(tmp_path)


def _write_runs(folder: Path, seed: int, count: int) -> None:
    pool = Pool.create(folder)
    draw = random.Random(seed)
    for _ in range(count):
        pool.add_run(draw.randbytes(4096 * draw.randrange(1, 40)))


def test_a_writer_that_is_killed_leaves_only_whole_runs(tmp_path: Path) -> None:
    for seed in range(4):
        process = multiprocessing.Process(target=_write_runs, args=(tmp_path / "pool", seed, 100_000))
        process.start()
        time.sleep(0.15)
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
    pool = Pool.open(tmp_path / "pool")
    assert pool.runs()
    assert list(pool.damaged()) == []
    pool.collect()
    assert not list((tmp_path / "pool" / "incoming").iterdir())


def test_concurrent_writers_agree(tmp_path: Path) -> None:
    processes = [multiprocessing.Process(target=_write_runs, args=(tmp_path / "pool", 7, 60)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    pool = Pool.open(tmp_path / "pool")
    assert len(pool.runs()) == 60
    assert list(pool.damaged()) == []


def test_names_are_hashes_of_content(tmp_path: Path) -> None:
    pool = Pool.create(tmp_path / "pool")
    data = bytes(range(256)) * 16
    assert pool.add_run(data) == hashlib.sha256(data).hexdigest()
    assert pool.run_file(pool.add_run(data)).stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize("seed", range(40))
def test_mutated_elf_files_are_refused_or_cut(project: Project, seed: int) -> None:
    image = project.build(["one"])[0]
    data = bytearray((image.folder / "image.elf").read_bytes())
    draw = random.Random(seed)
    for _ in range(draw.randrange(1, 12)):
        data[draw.randrange(min(len(data), 2000)) if draw.random() < 0.8 else draw.randrange(len(data))] = draw.randrange(256)
    (image.folder / "image.elf").write_bytes(data)
    try:
        pieces_of(image.folder / "image.elf", ["alpha", "boot"])
    except BadInputError as error:
        assert "image.elf" in error.message


def test_an_odd_image_json_is_refused(project: Project) -> None:
    pool, _ = add(project)
    folder = project.settings.image_folder("aligned", "one")
    facts = json.loads((folder / "image.json").read_text())
    facts["heap"] = "much"
    (folder / "image.json").write_text(json.dumps(facts))
    with pytest.raises(BadInputError, match=r"image\.json: heap"):
        pool.add_image(folder)
