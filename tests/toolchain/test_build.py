"""Whole builds of small projects: layouts, equality of library bytes, caching, reproducibility, and everything that goes wrong."""

from __future__ import annotations

import multiprocessing
import random
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from toolchain.project import Project, library_sections
from unishare.errors import BadInputError, BuildError, NotFoundError
from unishare.formats.addresses import LIBRARY_BASE, PAGE
from unishare.pool.store import Pool
from unishare.toolchain.build import Builder
from unishare.toolchain.recipes.catalog import Catalog

TEXT = (
    'static const char words[] = "{0}"; static int state = 7; static int zeros[100]; '
    "int {0}(int i) {{ state += i; zeros[i & 63]++; return words[i & 3] + state + zeros[1]{1}; }}"
)


def code(name: str, *calls: str) -> str:
    """A library function with text, constants, data and bss, that calls others."""
    declared = "".join(f"int {call}(int); " for call in calls)
    return declared + TEXT.format(name, "".join(f" + {call}(i)" for call in calls))


def main_calling(*names: str) -> str:
    declared = "".join(f"int {name}(int); " for name in names)
    return f"{declared} int main(void) {{ return 0{''.join(f' + {name}(1)' for name in names)}; }}"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.library("alpha", code("alpha"))
    made.library("beta", code("beta", "alpha"), ["alpha"])
    made.library("gamma", code("gamma"))
    made.app("one", main_calling("beta"), ["beta"])
    made.app("two", main_calling("beta", "gamma"), ["gamma", "beta"])
    return made


def test_library_sections_are_the_same_bytes_at_the_same_addresses_in_all_images(project: Project) -> None:
    project.build(["one", "two"])
    one, two = project.elf("one"), project.elf("two")
    for library in ("boot", "alpha", "beta"):
        sections = library_sections(one, library)
        assert sections == library_sections(two, library)
        assert f".text.{library}" in sections
    assert set(library_sections(two, "beta")) == {".text.beta", ".rodata.beta", ".data.beta", ".bss.beta"}
    assert not library_sections(one, "gamma")


@pytest.mark.parametrize("layout", ["default", "dce"])
def test_compact_layouts_have_no_library_windows(project: Project, layout: str) -> None:
    project.build(["two"], layout)
    assert not library_sections(project.elf("two", layout), "beta")
    assert not project.settings.global_map.exists()


def test_dce_drops_what_nothing_calls(project: Project) -> None:
    project.library(
        "alpha", code("alpha") + code("unused_one").replace("state", "other").replace("words", "w").replace("zeros", "z")
    )
    project.build(["one"], "default")
    project.build(["one"], "dce")
    symbols = {layout: {one.name for one in project.elf("one", layout).symbols()} for layout in ("default", "dce")}
    assert "unused_one" in symbols["default"] - symbols["dce"]
    assert "alpha" in symbols["dce"]


def test_each_segment_has_one_right_and_never_write_and_execute(project: Project) -> None:
    project.build(["two"])
    loads = [segment for segment in project.elf("two").segments if segment.type == 1]
    assert all(segment.flags in (4, 5, 6) for segment in loads)
    ends = sorted((segment.address, segment.address + segment.memory_size) for segment in loads)
    assert all(before[1] <= after[0] for before, after in pairwise(ends))


def test_a_window_begins_where_the_one_below_ended_in_its_page_so_that_the_file_has_no_padding(project: Project) -> None:
    project.build(["two"])
    loads = sorted((one for one in project.elf("two").segments if one.type == 1), key=lambda one: one.address)
    text = [one for one in loads if one.flags == 5 and one.address >= LIBRARY_BASE]
    assert len(text) == 4
    for below, above in pairwise(text):
        assert above.address // PAGE == below.address // PAGE + 1
        assert 0 <= above.offset - (below.offset + below.file_size) < 64


def test_the_second_build_links_nothing(project: Project) -> None:
    assert [image.fresh for image in project.build(["one", "two"])] == [True, True]
    assert [image.fresh for image in project.build(["one", "two"])] == [False, False]


def test_a_changed_file_relinks_but_compiles_nothing(project: Project) -> None:
    recipe = project.app("one", main_calling("beta"), ["beta"], {"data.txt": "first"})
    project.build(["one"])
    objects = sorted(project.settings.objects.rglob("unit.o"))
    (recipe.parent / "data.txt").write_text("second")
    assert [image.fresh for image in project.build(["one"])] == [True]
    assert sorted(project.settings.objects.rglob("unit.o")) == objects
    assert b"second" in (project.settings.image_folder("aligned", "one") / "image.elf").read_bytes()


def test_a_changed_header_recompiles_its_users(project: Project) -> None:
    source = project.folder / "libraries" / "alpha-source"
    (source / "alpha.h").write_text("#define ANSWER 1\n")
    project.app("one", '#include "alpha.h"\nint beta(int); int main(void) { return beta(ANSWER); }', ["beta"])
    project.build(["one"])
    (source / "alpha.h").write_text("#define ANSWER 2\n")
    assert project.build(["one"])[0].fresh


@pytest.mark.parametrize("layout", ["default", "dce", "aligned"])
def test_the_same_inputs_give_the_same_bytes_elsewhere(tmp_path: Path, project: Project, layout: str) -> None:
    project.build(["one", "two"], layout, jobs=1)
    elsewhere = Project(tmp_path / "another" / "place")
    shutil.rmtree(elsewhere.folder)
    shutil.copytree(project.folder, elsewhere.folder)
    elsewhere.build(["one", "two"], layout, jobs=4)
    for app in ("one", "two"):
        assert project.elf(app, layout).data == elsewhere.elf(app, layout).data


@pytest.mark.parametrize("seed", range(6))
def test_adding_or_removing_a_library_changes_no_page_of_the_others(tmp_path: Path, seed: int) -> None:
    project = Project(tmp_path)
    choose = random.Random(seed)
    names = [f"lib{number}" for number in range(8)]
    for number, name in enumerate(names):
        project.library(name, code(name, *names[:number][-2:]), names[:number][-2:])
    chosen = choose.sample(names, 4)
    project.app("before", main_calling(*chosen), chosen)
    project.app("after", main_calling(*chosen[1:]), chosen[1:])
    project.build(choose.sample(["before", "after"], 2))
    before, after = project.elf("before"), project.elf("after")
    compared = 0
    for name in names:
        there = library_sections(after, name)
        if there:
            compared += 1
            assert there == library_sections(before, name)
    assert compared >= 3


def test_constructors_lie_in_the_image_table_at_fixed_slots(project: Project) -> None:
    project.app(
        "three", "static int x; __attribute__((constructor)) static void go(void) { x = 1; } int main(void) { return x; }", []
    )
    project.build(["one", "three"])
    symbols = {one.name: one.value for one in project.elf("three").symbols()}
    assert symbols["__init_array_start"] == 0x400100
    assert symbols["__init_array_end"] == 0x400300
    table = next(section for section in project.elf("three").sections if section.name == ".unishare.image")
    content = project.elf("three").content(table)
    slots = [int.from_bytes(content[0x100 + 8 * index : 0x108 + 8 * index], "little") for index in range(64)]
    assert slots[1:] == [symbols["unishare_boot_nothing"]] * 63
    assert slots[0] not in (0, slots[1])


def test_debuggers_find_lines_and_symbols(project: Project) -> None:
    import subprocess

    project.build(["two"])
    elf = project.settings.image_folder("aligned", "two") / "image.elf"
    address = next(one.value for one in project.elf("two").symbols() if one.name == "beta")
    line = subprocess.run(["addr2line", "-f", "-e", elf, hex(address)], capture_output=True, text=True, check=True).stdout
    assert line.splitlines() == ["beta", "/unishare/beta-1/beta.c:1"]


# What goes wrong.


def failure(project: Project, kind: type[Exception], app: str = "bad") -> str:
    with pytest.raises(kind) as caught:
        project.build([app])
    leftovers = [path for path in project.settings.images.rglob("*") if path.name.startswith(".new-")]
    assert not leftovers
    assert not (project.settings.image_folder("aligned", app)).exists()
    error = caught.value
    return f"{error}\n{getattr(error, 'hint', '')}"


def _build_all(project: Project, failures: multiprocessing.Queue[str]) -> None:
    try:
        pool = Pool.create(project.settings.pool)
        for image in project.build(["one", "two"]):
            pool.ensure_image(image.folder)
    except Exception as error:
        failures.put(repr(error))


def test_builds_of_the_same_apps_at_the_same_time_all_succeed(project: Project) -> None:
    failures: multiprocessing.Queue[str] = multiprocessing.Queue()
    for _ in range(5):
        shutil.rmtree(project.settings.images, ignore_errors=True)
        processes = [multiprocessing.Process(target=_build_all, args=(project, failures)) for _ in range(4)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert failures.empty(), failures.get()
    assert list(Pool.open(project.settings.pool).damaged()) == []


def test_a_provider_that_was_compiled_by_an_earlier_command_is_named_too(project: Project) -> None:
    project.build(["two"])
    project.app("forgetful", main_calling("gamma"), [])
    with pytest.raises(BuildError) as caught:
        project.build(["forgetful"])
    assert "undefined symbol gamma: needed by forgetful (main.c:1); gamma could provide it" in caught.value.message


def test_an_undefined_symbol_names_its_user_and_a_provider(project: Project) -> None:
    project.library("needy", code("needy", "gamma"))
    project.app("bad", main_calling("needy"), ["needy"])
    with Builder(Catalog([project.folder]), project.settings, 2, lambda *_: None) as builder:
        list(builder.images(["two"], "aligned"))
        with pytest.raises(BuildError) as caught:
            list(builder.images(["bad"], "aligned"))
    assert "undefined symbol gamma: needed by needy (needy.c:1); gamma could provide it" in caught.value.message
    assert "gamma" in str(caught.value.hint)


def test_a_symbol_of_two_libraries_names_both(project: Project) -> None:
    project.library("twin", "\n\n" + code("alpha"))
    project.app("bad", main_calling("alpha"), ["alpha", "twin"])
    assert "alpha: defined by alpha (alpha.c:1) and by twin (twin.c:3)" in failure(project, BuildError)


def test_a_compile_error_shows_the_compilers_words(project: Project) -> None:
    project.library("broken", "int broken(int i) { return i + ; }")
    project.app("bad", main_calling("broken"), ["broken"])
    message = failure(project, BuildError)
    assert "broken.c:1:" in message and "expected expression" in message and "broken.toml" in message


def test_an_unknown_library_names_file_and_line_and_what_is_near(project: Project) -> None:
    project.app("bad", main_calling("alpha"), ["alpa"])
    message = failure(project, NotFoundError)
    assert "app.toml:2" in message and "alpha" in message


def test_a_cycle_of_needs_shows_the_way_round(project: Project) -> None:
    project.library("left", code("left", "right"), ["right"])
    project.library("right", code("right", "left"), ["left"])
    project.app("bad", main_calling("left"), ["left"])
    message = failure(project, BadInputError)
    assert "left needs right" in message and "right needs left" in message and "left.toml:" in message


def test_a_glob_that_takes_more_than_sources_is_refused(project: Project) -> None:
    recipe = project.app("bad", main_calling(), [], more='[build]\nfiles = ["*"]')
    message = failure(project, BadInputError)
    assert f"{recipe}:" in message and "field `build.files`: takes app.toml, which is no source file" in message


def test_a_glob_without_files_and_a_path_outside_are_refused(project: Project) -> None:
    recipe = project.library("alpha", code("alpha"))
    recipe.write_text(recipe.read_text().replace('"*.c"', '"*.cc"'))
    project.app("bad", main_calling("alpha"), ["alpha"])
    assert "alpha.toml:8: field `build.files`: '*.cc' matches no file" in failure(project, BadInputError)
    recipe.write_text(recipe.read_text().replace('"*.cc"', '"../*.c"'))
    assert "alpha.toml:8: field `build.files.0`: '../*.c' lies outside its source" in failure(project, BadInputError)


def test_thread_local_data_in_a_library_has_no_window(project: Project) -> None:
    project.library("alpha", "__thread int mine = 3; int alpha(int i) { return mine + i; }")
    project.app("bad", main_calling("alpha"), ["alpha"])
    assert "thread-local data (.tdata" in failure(project, BadInputError)


def test_an_app_beyond_its_window_is_refused(project: Project) -> None:
    recipe = project.app("bad", "char huge[200 << 20]; int main(void) { return huge[5]; }", [])
    message = failure(project, BuildError)
    assert f"{recipe}: bad is larger than its window: 200 MiB" in message and "`huge`, 200 MiB" in message


def test_files_beyond_the_window_are_refused_before_the_link(project: Project) -> None:
    project.app("bad", main_calling("alpha"), ["alpha"], {"data.txt": "x"})
    with (project.folder / "apps" / "bad" / "data.txt").open("wb") as file:
        file.truncate(130 << 20)
    message = failure(project, BuildError)
    assert "larger than its window" in message and "Its files are 130 MiB" in message


def test_a_missing_data_file_is_named(project: Project) -> None:
    recipe = project.app("bad", main_calling("alpha"), ["alpha"], {"data.txt": "x"})
    (recipe.parent / "data.txt").unlink()
    assert "data.txt does not exist" in failure(project, NotFoundError)


@pytest.mark.parametrize("layout", ["default", "aligned"])
def test_a_heap_that_fixed_addresses_do_not_leave_is_refused_in_the_recipes_terms(project: Project, layout: str) -> None:
    project.app("large", main_calling("beta"), ["beta"], more='[run]\nheap = "384M"\n')
    with pytest.raises(
        BadInputError, match=r"large/app.toml: field `run.heap`: 402653184 bytes are more than the 402370560"
    ) as refused:
        project.build(["large"], layout)
    assert "aslr" in str(refused.value.hint)
