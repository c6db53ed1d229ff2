"""An image is fresh only if nothing that its compilations, overlays and commands read has changed, wherever it lies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from toolchain.project import Project
from unishare.toolchain.objects.reads import parse_rule

CALL = "int alpha(int); int main(void) { return alpha(VALUE); }"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.library("alpha", "int alpha(int i) { return i; }")
    made.app("one", CALL, ["alpha"], more="[build]\ndefines = ['VALUE=1']")
    return made


def app_file(project: Project, name: str, text: str) -> Path:
    file = project.folder / "apps" / "one" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def assert_follows(project: Project, file: Path, *, new: str = "#define VALUE 200\n") -> None:
    """A change of a file is built, nothing else is, and the change taken back is built too."""
    images = {}
    for text in (file.read_text(), new, file.read_text()):
        file.write_text(text)
        for layout in ("aligned", "aslr"):
            image = project.build(["one"], layout)[0]
            assert image.fresh, (text, layout)
            assert not project.build(["one"], layout)[0].fresh
            linked = b"".join(file.read_bytes() for file in [image.folder / "image.elf", *sorted(image.folder.rglob("*.so"))])
            assert images.setdefault((layout, text), linked) == linked
    assert len(set(images.values())) == 4


@pytest.mark.parametrize("name", ["own.inc", "own.hpp", "table.def", "deep/er/own.h", ".hidden.h", "with space$.h", "h#sh.inc"])
def test_a_file_of_the_app_that_a_source_includes(project: Project, name: str) -> None:
    project.app("one", f'#include "{name}"\n{CALL}', ["alpha"])
    assert_follows(project, app_file(project, name, "#define VALUE 1\n"))


def test_a_file_outside_the_app(project: Project) -> None:
    project.app("one", f'#include "../../shared.h"\n{CALL}', ["alpha"])
    file = project.folder / "shared.h"
    file.write_text("#define VALUE 1\n")
    assert_follows(project, file)


def test_a_folder_that_a_flag_names(project: Project) -> None:
    project.app("one", f'#include "shared.h"\n{CALL}', ["alpha"], more='[build]\nflags = ["-I../../common"]')
    (project.folder / "common").mkdir()
    file = project.folder / "common" / "shared.h"
    file.write_text("#define VALUE 1\n")
    assert_follows(project, file)


def test_bytes_that_the_assembler_includes(project: Project) -> None:
    code = 'int alpha(int); extern char data[]; __asm__(".data\\ndata: .incbin \\"blob\\"\\n"); int main(void) { return alpha(*data); }'
    project.app("one", code, ["alpha"])
    assert_follows(project, app_file(project, "blob", "first"), new="other")


def test_a_link_to_a_file_elsewhere(project: Project) -> None:
    project.app("one", f'#include "linked.h"\n{CALL}', ["alpha"])
    file = project.folder / "elsewhere.h"
    file.write_text("#define VALUE 1\n")
    (project.folder / "apps" / "one" / "linked.h").symlink_to(file)
    assert_follows(project, file)


def test_a_new_file_that_stands_before_another_on_the_path(project: Project) -> None:
    project.app("one", f'#include "alpha.h"\n{CALL}', ["alpha"])
    (project.folder / "libraries" / "alpha-source" / "alpha.h").write_text("#define VALUE 1\n")
    project.build(["one"])
    app_file(project, "alpha.h", "#define VALUE 2\n")
    assert project.build(["one"])[0].fresh


@pytest.mark.parametrize("name", ["alpha.inc", ".alpha.h", "../alpha-common.h", "linked/alpha.h"])
def test_a_file_that_a_library_includes(project: Project, name: str) -> None:
    elsewhere = project.folder / "elsewhere"
    elsewhere.mkdir()
    (project.folder / "libraries" / "alpha-source" / "linked").symlink_to(elsewhere)
    project.library("alpha", f'#include "{name}"\nint alpha(int i) {{ return i + VALUE; }}')
    file = project.folder / "libraries" / "alpha-source" / name
    file.write_text("#define VALUE 1\n")
    assert_follows(project, file)


def library_with(project: Project, more: str, files: dict[str, str]) -> None:
    recipe = project.library("alpha", '#include "place.h"\nint alpha(int i) { return i + PLACE; }')
    recipe.write_text(recipe.read_text().replace("[link]", f"{more}\n[link]"))
    for name, text in files.items():
        file = project.folder / "libraries" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)


def test_an_overlays_header(project: Project) -> None:
    library_with(project, 'overlay = ["over"]', {"over/place.h": '#include "part.inc"\n', "over/part.inc": "#define PLACE 1\n"})
    assert_follows(project, project.folder / "libraries" / "over" / "part.inc", new="#define PLACE 2\n")


def test_a_public_overlays_header_is_seen_by_users_and_followed(project: Project) -> None:
    files = {"over/place.h": "#define PLACE 1\n#define VALUE PLACE\n"}
    library_with(project, 'public_overlay = ["over"]', files)
    project.app("one", f"#include <place.h>\n{CALL}", ["alpha"])
    assert_follows(project, project.folder / "libraries" / "over" / "place.h", new="#define PLACE 2\n#define VALUE PLACE\n")


@pytest.mark.parametrize("name", ["place.txt", ".place"])
def test_a_file_that_a_prepare_command_reads(project: Project, name: str) -> None:
    commands = f'[prepare]\ncommands = [["cp", "{name}", "place.h"]]'
    library_with(project, commands, {f"alpha-source/{name}": "#define PLACE 1\n"})
    assert_follows(project, project.folder / "libraries" / "alpha-source" / name, new="#define PLACE 2\n")


def test_a_data_file_compiles_nothing(project: Project) -> None:
    file = app_file(project, "data.txt", "first")
    project.build(["one"])
    objects = sorted(project.settings.objects.rglob("unit.o"))
    file.write_text("second")
    assert not project.build(["one"])[0].fresh
    assert sorted(project.settings.objects.rglob("unit.o")) == objects


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("object: a.c b.h \\\n c.h\n", ["a.c", "b.h", "c.h"]),
        ("object: with\\ space.h do$$llar.h h\\#sh.h\n", ["with space.h", "do$llar.h", "h#sh.h"]),
        ("object: \\\n /a/b.c\n", ["/a/b.c"]),
        ("object:\n", []),
        ("", []),
    ],
)
def test_rules_are_read_as_make_reads_them(text: str, names: list[str]) -> None:
    assert parse_rule(text) == names


def test_sources_that_change_while_they_are_compiled_are_compiled_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unishare.toolchain.objects import cache

    project.app("one", f'#include "own.h"\n{CALL}', ["alpha"])
    file = app_file(project, "own.h", "#define VALUE 1\n")
    real: Callable[..., object] = cache.uncovered
    rest = [2]

    def edited_meanwhile(*arguments: object) -> object:
        if rest:
            file.write_text(f"#define VALUE {rest.pop()}\n")
        return real(*arguments)

    monkeypatch.setattr(cache, "uncovered", edited_meanwhile)
    project.build(["one"])
    monkeypatch.undo()
    image = project.settings.image_folder("aligned", "one") / "image.elf"
    built = image.read_bytes()
    elsewhere = Project(project.folder.parent / "again")
    elsewhere.library("alpha", "int alpha(int i) { return i; }")
    elsewhere.app("one", f'#include "own.h"\n{CALL}', ["alpha"])
    (elsewhere.folder / "apps" / "one" / "own.h").write_text("#define VALUE 2\n")
    elsewhere.build(["one"])
    assert elsewhere.elf("one").data == built
