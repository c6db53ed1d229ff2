"""What a recipe says is refused when it is read, or can be written everywhere that it is written to, and read back as it was."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from toolchain.project import Project
from unishare.errors import BadInputError, UnishareError
from unishare.formats.image import ABI, ImageFacts, LibraryReference, read_facts
from unishare.formats.manifest import Manifest
from unishare.formats.sections import Kind
from unishare.toolchain.link import files_archive
from unishare.toolchain.map.global_map import GlobalMap
from unishare.toolchain.objects.cache import UnitFacts, UnitObject, WindowSize
from unishare.toolchain.objects.compilation import matching
from unishare.toolchain.recipes.reading import load_app, load_library
from unishare.toolchain.recipes.recipe import AppRecipe, LibraryRecipe
from unishare.toolchain.tools.commands import Tools

HASH = "ab" * 32
CODE = {"address": "0x401000", "pages": 1, "rights": "r-x", "run": HASH, "first": 0, "library": None, "section": "text"}
LIBRARY: dict[str, Any] = {
    "name": "tiny", "version": "1", "license": "0BSD", "summary": "s", "homepage": "h",
    "source": {"provider": "folder", "path": "code"}, "prepare": {"commands": [["true", "x"]]},
    "build": {
        "files": ["*.c"], "exclude": ["x.c"], "include": ["i"], "public_include": ["p"], "headers": "heads", "defines": ["D=1"],
        "flags": ["-O1"], "forced_include": ["f.h"], "overlay": ["over"], "public_overlay": ["also"],
    },
    "link": {"needs": ["other"], "allow_undefined": ["hook"]},
}  # fmt: skip
DEBIAN = {**LIBRARY, "source": {"provider": "debian", "package": "zlib", "file": "z.tar.gz", "sha256": HASH}}
HTTPS = {**LIBRARY, "source": {"provider": "https", "url": "https://a/b.tar.gz", "sha256": HASH}}
COMPILER = {**LIBRARY, "source": {"provider": "compiler", "archive": "libgcc.a"}}
APP: dict[str, Any] = {
    "name": "tiny", "summary": "s", "license": "l", "libraries": ["other"],
    "build": {"files": ["*.c"], "exclude": ["x.c"], "include": ["i"], "defines": ["D=1"], "flags": ["-O1"]},
    "files": {"/app/data": "data"}, "run": {"argv": ["tiny", "a"], "env": {"K": "v"}},
    "example": [{"request": "a", "answer": "b"}],
}  # fmt: skip
# Where writers and readers of text disagree.
TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", " ", "1.0 beta", "1.0 ß", "\0", "a\0b", "a\nb", "\u2028", "\x85", "\x1b[31m", "..", ".", "/", "//", "a/../b", "-o", "~", "#", "'",
         '"', "\\", "=", "a=b", "*", "**", "a**b", "[", "{", "}", "${HOME}", "%s", HASH, "x" * 300, "é" * 60, "a b", "\ufeff", "𝄞"]
    ),
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every text of a recipe, and every key that its author chooses."""
    if isinstance(value, dict):
        keys = [(*path, key, "(key)") for key in value if path and path[-1] in ("env", "files")]
        return keys + [place for key, inner in value.items() for place in places(inner, (*path, key))]
    if isinstance(value, list):
        return [place for index, inner in enumerate(value) for place in places(inner, (*path, index))]
    return [path]


def changed(value: Any, path: tuple[Any, ...], text: str) -> Any:
    if path[1:] == ("(key)",):
        return {(text if key == path[0] else key): inner for key, inner in value.items()}
    if not path:
        return text
    copy = list(value) if isinstance(value, list) else dict(value)
    copy[path[0]] = changed(value[path[0]], path[1:], text)
    return copy


def toml(value: dict[str, Any]) -> str:
    return "".join(f"{quoted(key)} = {inline(inner)}\n" for key, inner in value.items())


def inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {inline(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return quoted(value)


def quoted(text: str) -> str:
    """A basic string of TOML: as in JSON, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


CASES = [(kind, place) for kind, base in (("library", LIBRARY), ("debian", DEBIAN), ("https", HTTPS), ("compiler", COMPILER), ("app", APP))
         for place in places(base)]  # fmt: skip
BASES = {"library": LIBRARY, "debian": DEBIAN, "https": HTTPS, "compiler": COMPILER, "app": APP}


@given(st.sampled_from(CASES), TEXTS)
@example(("library", ("version",)), "1.0 beta")
@example(("library", ("version",)), "")
@example(("library", ("version",)), "1.0 ß")
@example(("library", ("build", "files", 0)), "a**b")
@example(("library", ("build", "flags", 0)), "-DX=\0")
@example(("app", ("files", "/app/data", "(key)")), "/")
@example(("app", ("run", "argv", 0)), "\0")
@example(("app", ("run", "env", "K", "(key)")), "\0")
def test_every_field_of_every_recipe(case: tuple[str, tuple[Any, ...]], text: str) -> None:
    kind, place = case
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        content = toml(changed(BASES[kind], place, text))
        try:
            if kind == "app":
                (folder / "app.toml").write_text(content, encoding="utf-8")
                assert_app_can_be_written(load_app(folder / "app.toml"), folder)
            else:
                (folder / "tiny.toml").write_text(content, encoding="utf-8")
                assert_library_can_be_written(load_library(folder / "tiny.toml"), folder)
        except UnishareError as error:
            assert "\0" not in error.message and "\x1b" not in error.message.replace(text, "")


def assert_library_can_be_written(recipe: LibraryRecipe, folder: Path) -> None:
    facts = UnitFacts(
        digest=HASH, windows={Kind.TEXT: WindowSize(size=10, alignment=16)}, constructors=0, destructors=0, thread_local=False,
        strong=[], weak=[], undefined=[],
    )  # fmt: skip
    unit = UnitObject(recipe.name, recipe.version, folder / "unit.o", facts)
    GlobalMap(folder / "global.map").windows([unit])
    GlobalMap(folder / "global.map").frames([(unit, {})])
    state = GlobalMap(folder / "global.map").state()
    assert [(one.name, one.version, one.digest) for one in state.entries] == [(recipe.name, recipe.version, HASH)]
    assert [(one.name, one.version) for one in state.frames.values()] == [(recipe.name, recipe.version)]
    assert_image_can_be_written([LibraryReference(name=recipe.name, version=recipe.version, hash=HASH)], ["a"], {}, folder)
    assert_command_can_be_run([*recipe.build.defines, *recipe.build.flags, *recipe.prepare.commands[0]], {})
    assert_paths_exist_or_not(recipe, folder)
    assert all(
        line.isprintable() or line == "" or " " in line or ord(max(line)) > 127 for line in (recipe.license, recipe.summary)
    )


def assert_app_can_be_written(recipe: AppRecipe, folder: Path) -> None:
    assert_image_can_be_written([], recipe.argv, recipe.run.env, folder)
    assert_command_can_be_run([*recipe.build.defines, *recipe.build.flags, *recipe.argv], recipe.run.env)
    assert_paths_exist_or_not(recipe, folder)
    for name, local in recipe.files.items():
        if (folder / str(local)).parent != folder or len(str(local).encode()) > 255:
            continue
        if not (folder / str(local)).is_dir():
            (folder / str(local)).write_bytes(b"content")
        archive = files_archive.build(recipe)
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            assert {f"/{one.name}": tar.extractfile(one).read() for one in tar} == {name: b"content"}  # type: ignore[union-attr]


def assert_image_can_be_written(libraries: list[LibraryReference], argv: list[str], env: dict[str, str], folder: Path) -> None:
    facts = ImageFacts(name="tiny", layout="aligned", abi=ABI, libraries=libraries, argv=argv, env=env, heap=4096, stack=4096)
    facts.write(folder)
    assert read_facts(folder) == facts
    own = {"entry": "0x401000", "elf": {"file": "image.elf", "sha256": HASH}, "image_table": "0x401000", "extents": [CODE]}
    shared = facts.model_dump(include={"name", "layout", "abi", "libraries", "argv", "env", "heap", "stack"})
    manifest = Manifest.model_validate({**shared, **own})
    assert Manifest.parse(manifest.to_text().encode(), "m") == manifest


def assert_command_can_be_run(arguments: list[str], env: dict[str, str]) -> None:
    code, output = Tools().run(["printf", "%s\\0", *arguments], extra=env)
    assert code == 0
    assert output.split("\0")[:-1] == arguments or any(not text.isprintable() for text in arguments)


def assert_paths_exist_or_not(recipe: LibraryRecipe | AppRecipe, folder: Path) -> None:
    try:
        matching(recipe, folder, recipe.build.files, recipe.build.exclude)
    except BadInputError as error:
        assert "build.files" in error.message
    except OSError as error:
        assert error.strerror  # a name that is too long for any file


@pytest.mark.parametrize("version", ["1.0 beta", "", "1.0 \u00df", "1\n2", "-1", "1.0\x1b[31m", "1" * 65])
def test_a_version_that_the_map_could_not_hold_is_refused(tmp_path: Path, version: str) -> None:
    (tmp_path / "tiny.toml").write_text(toml(changed(LIBRARY, ("version",), version)), encoding="utf-8")
    with pytest.raises(BadInputError, match="is no version"):
        load_library(tmp_path / "tiny.toml")


@pytest.mark.parametrize("name", ["c++-x.y_z", "a.b.c", "0", "a" * 64, "x-1.2+b"])
def test_every_name_can_be_linked(tmp_path: Path, name: str) -> None:
    project = Project(tmp_path)
    project.library(name, "int called(int i) { return i; }", version="1:2.0~beta-1+x")
    project.app(name, "int called(int); int main(void) { return called(1); }", [name])
    for layout in ("aligned", "aslr", "dce"):
        project.build([name], layout)
        project.build([name], layout)


def test_maps_that_free_versions_were_written_to_are_read_again(tmp_path: Path) -> None:
    file = tmp_path / "global.map"
    lines = [f"library tiny {version} {HASH[:-1]}{number} text={0x20000000 + number * 4096:#x}+0x1000:16" for number, version in
             enumerate(["1.0 beta", "", "1.0 ß", HASH])]  # fmt: skip
    file.write_text("\n".join(["unishare-map 2", "generation 1", *lines, ""]), encoding="utf-8")
    assert [entry.version for entry in GlobalMap(file).state().entries] == ["1.0 beta", "", "1.0 ß", HASH]
