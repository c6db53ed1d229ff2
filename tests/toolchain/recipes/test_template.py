"""Languages: projects from templates, and functions that are a script and nothing else."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from toolchain.project import Project, library_sections
from unishare.errors import BadInputError, BuildError, NotFoundError
from unishare.formats.elf import ElfFile
from unishare.toolchain.recipes.catalog import PACKAGE_CATALOG, Catalog
from unishare.toolchain.recipes.reading import load_app
from unishare.toolchain.recipes.template import languages, load, write_project

TOML = 'name = "brief"\nsummary = "brief"\nhandler = "src/handler.b"\n'


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """A project with a language of its own."""
    template = tmp_path / "own" / "languages" / "brief" / "template"
    (template / "src").mkdir(parents=True)
    (template / "app.toml").write_text('name = "@NAME@"\nsummary = "what @NAME@ does"\n[build]\nfiles = []\n')
    (template / "src" / "handler.b").write_bytes(b"@NAME@ \xff\0")
    (template.parent / "language.toml").write_text(TOML)
    return Catalog([tmp_path / "own"])


def test_languages_of_a_project_come_beside_the_packages(catalog: Catalog) -> None:
    known = languages(catalog)
    assert {"brief", "c", "javascript", "lua"} <= set(known)
    assert known["lua"] == PACKAGE_CATALOG / "languages" / "lua"


@pytest.mark.parametrize("name", sorted(languages(Catalog())))
def test_every_template_is_a_project_that_names_known_libraries(tmp_path: Path, name: str) -> None:
    language, folder = load(Catalog(), name)
    write_project(tmp_path / "greeter", folder)
    recipe = load_app(tmp_path / "greeter" / "app.toml")
    assert recipe.name == "greeter"
    assert recipe.example
    assert (tmp_path / "greeter" / language.handler).is_file()
    assert all(Catalog().library(library) for library in recipe.libraries)
    assert not [file for file in (tmp_path / "greeter").rglob("*") if file.is_file() and b"@NAME@" in file.read_bytes()]


def test_the_name_replaces_the_placeholder_and_nothing_else_changes(catalog: Catalog, tmp_path: Path) -> None:
    write_project(tmp_path / "mine", load(catalog, "brief")[1])
    assert (tmp_path / "mine" / "src" / "handler.b").read_bytes() == b"mine \xff\0"
    assert load_app(tmp_path / "mine" / "app.toml").summary == "what mine does"


@pytest.mark.parametrize("name", ["Mine", "mi ne", "-mine", "x" * 65, "mine\n", "ümlaut"])
def test_a_name_that_no_app_can_have_makes_nothing(catalog: Catalog, tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInputError, match="cannot be the name of an app"):
        write_project(tmp_path / "in" / name, load(catalog, "brief")[1])
    assert not (tmp_path / "in").exists()


@pytest.mark.parametrize("kind", ["folder", "file", "dangling link"])
def test_what_exists_is_left_as_it_is(catalog: Catalog, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "mine"
    if kind == "folder":
        target.mkdir()
    elif kind == "file":
        target.write_text("precious")
    else:
        target.symlink_to("nowhere")
    with pytest.raises(BadInputError, match="mine exists already"):
        write_project(target, load(catalog, "brief")[1])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "own"]
    assert kind != "file" or target.read_text() == "precious"


def test_a_project_that_cannot_be_written_leaves_nothing(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        write_project(tmp_path / "mine", load(catalog, "brief")[1])
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_an_unknown_language_names_near_ones(catalog: Catalog) -> None:
    with pytest.raises(NotFoundError) as caught:
        load(catalog, "javscript")
    assert caught.value.hint == "Did you mean javascript?"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TOML + "handlr = 1\n", "field `handlr`: unknown field; did you mean `handler`?"),
        (TOML.replace("src/handler.b", "../x"), "field `handler`: '../x' lies outside"),
        (TOML.replace('"brief"', '"other"', 1), "field `name` is 'other'"),
        (TOML.replace("handler.b", "gone"), "template/src/gone does not exist"),
    ],
)
def test_a_wrong_language_file_is_explained(catalog: Catalog, tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "own" / "languages" / "brief" / "language.toml"
    file.write_text(text)
    with pytest.raises((BadInputError, NotFoundError)) as caught:
        load(catalog, "brief")
    assert str(file) in caught.value.message and said in caught.value.message


# Apps that are data only.

RUNNER = "int interpret(int); int main(void) { return interpret(3); }"
NO_CODE = "[build]\nfiles = []"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.library("interpreter", 'static const char words[] = "seven"; int interpret(int i) { return words[i]; }')
    made.library("runner", RUNNER, ["interpreter"])
    made.app("first", "", ["runner"], {"handler.x": "one"}, NO_CODE)
    made.app("second", "", ["runner"], {"handler.x": "two"}, NO_CODE)
    return made


@pytest.mark.parametrize("layout", ["default", "dce", "aligned"])
def test_main_can_be_a_librarys(project: Project, layout: str) -> None:
    project.build(["first", "second"], layout)
    for app, text in (("first", b"one"), ("second", b"two")):
        image = project.elf(app, layout)
        main = next(one.value for one in image.symbols() if one.name == "main")
        table = next(one for one in image.sections if one.name == ".unishare.image")
        assert image.content(table)[8:16] == main.to_bytes(8, "little")
        assert text in image.data


def test_main_can_be_another_modules(project: Project) -> None:
    project.build(["first"], "aslr")
    folder = project.settings.image_folder("aslr", "first")
    modules = [one["name"] for one in json.loads((folder / "image.json").read_text())["modules"]]
    runner = ElfFile.read(folder / "modules" / "runner.so")
    main = next(one.value for one in runner.symbols() if one.name == "main")
    table = next(one.value for one in project.elf("first", "aslr").symbols() if one.name == "unishare_image_table")
    records = struct.iter_unpack("<IIQq", (folder / "relocations.bin").read_bytes())
    assert (0, modules.index("runner"), table + 8, main) in list(records)


def test_functions_of_a_language_share_interpreter_and_main(project: Project) -> None:
    project.build(["first", "second"])
    first, second = project.elf("first"), project.elf("second")
    for library in ("interpreter", "runner"):
        assert f".text.{library}" in library_sections(first, library)
        assert library_sections(first, library) == library_sections(second, library)
    # Only the file differs: even the image table and the entry are the same.
    unequal = [one.name for one in first.sections if _loaded(first, one.name) != _loaded(second, one.name)]
    assert unequal == [".unishare.files"]


def test_a_changed_script_compiles_nothing(project: Project) -> None:
    project.build(["first"])
    objects = sorted(project.settings.objects.rglob("*"))
    (project.folder / "apps" / "first" / "handler.x").write_text("three")
    assert project.build(["first"])[0].fresh
    assert sorted(project.settings.objects.rglob("*")) == objects
    assert b"three" in project.elf("first").data


def test_an_app_without_code_and_without_a_main_is_refused(project: Project) -> None:
    project.build(["first"])
    project.app("bad", "", ["interpreter"], {}, NO_CODE)
    with pytest.raises(BuildError, match="undefined symbol main: needed by the image's entry"):
        project.build(["bad"])


def test_an_app_with_a_main_beside_a_runner_is_refused(project: Project) -> None:
    project.app("bad", "int main(void) { return 0; }", ["runner"])
    with pytest.raises(BuildError, match=r"main: defined by bad \(main\.c:1\) and by runner \(runner\.c:1\)"):
        project.build(["bad"])


def _loaded(image: ElfFile, name: str) -> bytes:
    return b"".join(image.content(one) for one in image.sections if one.name == name and one.address)
