"""`library check`: one test for each thing that breaks linking or spoils sharing, and that what is clean is said to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolchain.project import Project, library_sections
from unishare.errors import BadInputError, BuildError
from unishare.formats.layouts import LayoutName
from unishare.inspect.library_check import LibraryReport, check
from unishare.inspect.library_findings import Effect, Finding
from unishare.toolchain.build import Builder
from unishare.toolchain.recipes.catalog import Catalog

ALPHA = "int alpha(int i) { return i + 1; }"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.library("alpha", ALPHA)
    return made


def report(project: Project, name: str, *before: str, layout: LayoutName = "aligned") -> LibraryReport:
    """Check a library after others were compiled."""
    catalog = Catalog([project.folder], package=project.folder / "nothing")
    with Builder(catalog, project.settings, 2, lambda *_: None) as builder:
        for other in before:
            check(catalog, builder, catalog.library(other), layout)
        return check(catalog, builder, catalog.library(name), layout)


def the(report: LibraryReport, kind: str) -> Finding:
    return next(one for one in report.findings if one.kind == kind)


def test_a_clean_library_is_clean(project: Project) -> None:
    project.library(
        "mine", 'int alpha(int); static const char words[] = "abc"; int mine(int i) { return alpha(words[i]); }', ["alpha"]
    )
    found = report(project, "mine")
    assert found.clean and found.findings == []
    assert found.uses == {"alpha": ["alpha"]}
    assert set(found.windows) == {"text", "rodata"}


def test_an_undefined_symbol_that_a_library_has_names_it(project: Project) -> None:
    project.library("mine", "int alpha(int); int mine(int i) { return alpha(i); }")
    found = report(project, "mine", "alpha")
    assert not found.clean
    one = the(found, "undefined")
    assert (one.effect, one.subjects) == (Effect.LINKING, ("alpha",))
    assert one.detail == "alpha could provide it"
    assert one.remedy == "Add alpha to link.needs in mine.toml."


def test_undefined_symbols_that_nobody_has_are_one_finding(project: Project) -> None:
    project.library("mine", "int one(void); int two(void); int mine(void) { return one() + two(); }")
    one = the(report(project, "mine"), "undefined")
    assert one.subjects == ("one", "two")
    assert "no library compiled so far provides it" in one.detail


def test_what_a_library_above_provides_is_a_note(project: Project) -> None:
    project.library("mine", "int above(int); int mine(int i) { return above(i); }")
    project.library("upper", "int mine(int); int above(int i) { return i; } int upper(int i) { return mine(i); }", ["mine"])
    found = report(project, "mine", "upper")
    assert found.clean
    assert the(found, "undefined").detail == "provided by upper, which stands on this library"


def test_what_is_left_to_the_app_spoils_sharing(project: Project) -> None:
    recipe = project.library("mine", "int hook(void); int mine(void) { return hook(); }")
    recipe.write_text(recipe.read_text() + 'allow_undefined = ["hook"]\n')
    assert the(report(project, "mine"), "undefined").effect is Effect.SHARING


@pytest.mark.parametrize(("needs", "effect"), [(["alpha"], Effect.LINKING), ([], Effect.NOTE)])
def test_a_symbol_of_two_libraries_is_found(project: Project, needs: list[str], effect: Effect) -> None:
    project.library("mine", ALPHA, needs)
    one = the(report(project, "mine", "alpha"), "duplicate")
    assert (one.effect, one.subjects) == (effect, ("alpha",))
    assert "alpha" in one.detail


def test_a_weak_definition_is_spoiled_by_a_stronger_one_elsewhere(project: Project) -> None:
    weak = "__attribute__((weak)) int hook(int i) { return i; } int mine(int i) { return hook(i); }"
    project.library("mine", weak)
    assert the(report(project, "mine"), "weak-definition").effect is Effect.NOTE
    project.library("rival", "int hook(int i) { return -i; }")
    found = the(report(project, "mine", "rival"), "weak-definition")
    assert found.effect is Effect.SHARING and found.subjects == ("hook",)
    assert found.remedy.startswith("Add rival to link.needs")
    # And so it is: the library's pages differ between images.
    project.app("without", "int mine(int); int main(void) { return mine(1); }", ["mine"])
    project.app("with", "int mine(int); int main(void) { return mine(1); }", ["mine", "rival"])
    project.build(["without", "with"])
    assert library_sections(project.elf("without"), "mine") != library_sections(project.elf("with"), "mine")
    # The remedy helps.
    project.library("mine", weak, ["rival"])
    assert report(project, "mine").clean


def test_the_stronger_definition_is_told_what_it_changes(project: Project) -> None:
    project.library("base", "__attribute__((weak)) int hook(int i) { return i; } int base(int i) { return hook(i); }")
    project.library("mine", "int base(int); int hook(int i) { return -i; } int mine(int i) { return base(i); }", ["base"])
    one = the(report(project, "mine"), "override")
    assert one.effect is Effect.SHARING and one.subjects == ("hook",) and "base" in one.detail


def test_a_weak_reference_is_spoiled_by_a_definition_elsewhere(project: Project) -> None:
    project.library("mine", "int alpha(int) __attribute__((weak)); int mine(int i) { return alpha ? alpha(i) : 0; }")
    found = report(project, "mine")
    assert found.clean and the(found, "weak-reference").subjects == ("alpha",)
    found = report(project, "mine", "alpha")
    assert the(found, "weak-reference").effect is Effect.SHARING
    assert the(report(project, "alpha", "mine"), "override").detail.startswith("changes what mine refers to")


def test_a_weak_reference_that_a_need_settles_is_no_finding(project: Project) -> None:
    project.library("mine", "int alpha(int) __attribute__((weak)); int mine(int i) { return alpha ? alpha(i) : 0; }", ["alpha"])
    assert report(project, "mine").findings == []


def test_writable_data_is_counted_and_the_largest_named(project: Project) -> None:
    project.library(
        "mine",
        "static int small = 1; static int table[100] = {1}; static char room[5000]; int mine(int i) { return small++ + table[i]++ + room[i]++; }",
    )
    found = report(project, "mine")
    assert found.clean
    details = {one.subjects[0].split(":")[0]: one.detail for one in found.findings if one.kind == "writable"}
    assert details == {".data": "largest: table (400), small (4)", ".bss": "largest: room (5000)"}


def test_constants_with_addresses_are_not_writable(project: Project) -> None:
    project.library(
        "mine",
        "static int one(void) { return 1; } int (*const table[])(void) = {one, one}; int mine(int i) { return table[i](); }",
    )
    assert report(project, "mine").findings == []


def test_constructors_are_noted(project: Project) -> None:
    project.library("mine", "int mine; __attribute__((constructor)) static void go(void) { mine = 1; }")
    one = the(report(project, "mine"), "constructor")
    assert one.effect is Effect.NOTE and one.subjects == ("1 constructors",)


def test_thread_local_data_breaks_linking_and_is_named(project: Project) -> None:
    project.library("mine", "__thread int counter = 1; int mine(void) { return counter++; }")
    one = the(report(project, "mine"), "thread-local")
    assert one.effect is Effect.LINKING and one.subjects == ("counter (4)",)


def test_a_section_that_the_linker_collects_breaks_linking(project: Project) -> None:
    project.library(
        "mine",
        '__attribute__((section("plugins"), used)) static int one = 1; extern int __start_plugins, __stop_plugins;'
        "int mine(void) { return &__stop_plugins - &__start_plugins; }",
    )
    found = report(project, "mine")
    named = {subject for one in found.findings if one.kind == "identifier-section" for subject in one.subjects}
    assert named >= {"plugins"}
    assert not found.clean
    project.app("user", "int mine(void); int main(void) { return mine(); }", ["mine"])
    with pytest.raises(BadInputError, match="section plugins"):
        project.build(["user"])


def test_a_section_without_a_window_breaks_linking(project: Project) -> None:
    project.library("mine", '__attribute__((section(".odd.place"))) int mine = 1;')
    one = the(report(project, "mine"), "section")
    assert (one.effect, one.subjects) == (Effect.LINKING, (".odd.place",))


def test_an_ifunc_breaks_linking(project: Project) -> None:
    project.library(
        "mine",
        'static int plain(void) { return 1; } static void *choose(void) { return plain; } int mine(void) __attribute__((ifunc("choose")));',
    )
    one = the(report(project, "mine"), "ifunc")
    assert (one.effect, one.subjects) == (Effect.LINKING, ("mine",))


def test_a_global_offset_table_in_assembler_spoils_sharing(project: Project) -> None:
    source = project.folder / "libraries" / "mine-source"
    recipe = project.library("mine", "", ["alpha"], more='flags = ["-Wa,-mrelax-relocations=no"]')
    recipe.write_text(recipe.read_text().replace("*.c", "*.s"))
    (source / "mine.s").write_text(".globl mine\nmine:\n push alpha@GOTPCREL(%rip)\n ret\n")
    one = the(report(project, "mine"), "got")
    assert one.effect is Effect.SHARING and one.subjects == ("alpha (GOTPCREL)",)


def test_tentative_definitions_spoil_sharing(project: Project) -> None:
    project.library("mine", "int shared; int mine(void) { return shared; }", more='flags = ["-fcommon"]')
    assert the(report(project, "mine"), "common").subjects == ("shared",)


def test_a_library_of_headers_has_nothing_to_check(project: Project) -> None:
    recipe = project.library("mine", "")
    recipe.write_text(recipe.read_text().replace('files = ["*.c"]', "files = []"))
    with pytest.raises(BadInputError, match="has only headers"):
        report(project, "mine")


def test_a_library_that_does_not_compile_shows_the_compilers_words(project: Project) -> None:
    project.library("mine", "int mine(void) { return ; }\nint oops(;\n")
    with pytest.raises(BuildError, match=r"mine\.c:2:"):
        report(project, "mine")


def test_a_broken_recipe_beside_it_does_not_matter(project: Project) -> None:
    project.library("mine", "int mine;")
    (project.folder / "libraries" / "broken.toml").write_text("name = ")
    assert report(project, "mine").clean


def objects(project: Project) -> set[Path]:
    return set(project.settings.objects.rglob("unit.o"))


def test_what_a_build_compiled_is_not_compiled_again(project: Project) -> None:
    project.library("mine", "int alpha(int); int mine(int i) { return alpha(i); }", ["alpha"])
    project.app("one", "int mine(int); int main(void) { return mine(1); }", ["mine"])
    project.build(["one"], "aslr")
    before = objects(project)
    found = report(project, "mine", layout="aslr")
    assert found.clean and found.layout == "aslr" and found.windows["text"] > 0 and found.uses == {"alpha": ["alpha"]}
    assert objects(project) == before


def test_under_random_addresses_weak_symbols_spoil_nothing(project: Project) -> None:
    project.library("mine", "__attribute__((weak)) int hook(int i) { return i; } int mine(int i) { return hook(i); }")
    project.library("rival", "int hook(int i) { return -i; }")
    fixed, random = (the(report(project, "mine", "rival", layout=one), "weak-definition") for one in ("aligned", "aslr"))
    assert (fixed.effect, random.effect) == (Effect.SHARING, Effect.NOTE)
    assert random.detail.startswith("in fixed layouts: rival would take its place")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("char mine[64] __attribute__((aligned(16384))) = {1};", "aligned to 16384 bytes"),
        ('int value; __asm__(".text\\n.globl mine\\nmine: mov $value, %eax\\nret\\n");', "R_X86_64_32 against value"),
    ],
)
def test_what_cannot_lie_at_any_page_breaks_linking_under_random_addresses(project: Project, code: str, said: str) -> None:
    project.library("mine", code)
    found = report(project, "mine", layout="aslr")
    one = the(found, "position")
    assert not found.clean and one.effect is Effect.LINKING and said in one.detail
    assert report(project, "mine").clean
