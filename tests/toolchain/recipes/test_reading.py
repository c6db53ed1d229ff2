"""Recipes: what is read, and that every wrong field is named with its file and what it should have been."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from unishare.errors import BadInputError, NotFoundError
from unishare.toolchain.recipes.catalog import PACKAGE_CATALOG, Catalog
from unishare.toolchain.recipes.reading import line_of, load_app, load_library
from unishare.toolchain.recipes.recipe import Database, FolderSource

HASH = "ab" * 32
LIBRARY = {
    "": ['name = "tiny"', 'version = "1"', 'license = "0BSD"'],
    "source": ['provider = "folder"', 'path = "code"'],
    "prepare": [],
    "build": ['files = ["*.c"]'],
    "link": ['needs = ["zlib"]'],
}
APP = {
    "": ['name = "tiny"', 'libraries = ["zlib"]'],
    "build": [],
    "files": ['"/app/data" = "data"'],
    "run": ["heap = 4096"],
    "[example]": ['request = "a"', 'answer = "b"'],
}


def text(sections: dict[str, list[str]], table: str = "", line: str = "") -> str:
    """A recipe's text; `line` is added to a table in place of the line with the same key."""
    key = line.partition("=")[0].strip()
    written = []
    for name, lines in sections.items():
        kept = [one for one in lines if not (name == table and key and one.startswith(f"{key} ="))]
        written += [f"[{name}]"] if name else []
        written += [*kept, *([line] if name == table and line else [])]
    return "\n".join(written) + "\n"


def library(folder: Path, content: str) -> Path:
    file = folder / "tiny.toml"
    file.write_text(content)
    return file


def app(folder: Path, content: str) -> Path:
    file = folder / "app.toml"
    file.write_text(content)
    return file


def test_a_library_is_read_with_its_defaults(tmp_path: Path) -> None:
    recipe = load_library(library(tmp_path, text(LIBRARY)))
    assert (recipe.name, recipe.version, recipe.link.needs) == ("tiny", "1", ["zlib"])
    assert recipe.source == FolderSource(provider="folder", path="code")
    assert recipe.build.language == "c"
    assert recipe.file == tmp_path / "tiny.toml"


@pytest.mark.parametrize(
    ("written", "size"), [('"64M"', 64 << 20), ('"4k"', 4096), ('"1 GiB"', 1 << 30), ('"8192"', 8192), ("8192", 8192)]
)
def test_sizes_may_have_units(tmp_path: Path, written: str, size: int) -> None:
    assert load_app(app(tmp_path, text(APP, "run", f"heap = {written}"))).run.heap == size


def test_an_app_is_read_with_its_defaults(tmp_path: Path) -> None:
    recipe = load_app(app(tmp_path, text(APP)))
    assert recipe.argv == ["tiny"]
    assert recipe.build.files == ["*.c"]
    assert recipe.run.heap == 4096
    assert recipe.run.stack == 256 << 10
    assert recipe.files == {"/app/data": "data"}


def test_snapshots_are_for_what_gains_by_them(tmp_path: Path) -> None:
    code, script = text(APP), text(APP, "build", "files = []")
    assert load_app(app(tmp_path, script)).wanted_snapshots  # its interpreter's start is work
    assert load_app(app(tmp_path, code)).wanted_snapshots is None
    keeps_nothing = code.replace('name = "tiny"', 'name = "tiny"\nstate = "none"')
    assert load_app(app(tmp_path, keeps_nothing)).wanted_snapshots
    assert load_app(app(tmp_path, keeps_nothing + "[snapshot]\ncount = 0\n")).wanted_snapshots is None


def test_a_file_can_be_a_database(tmp_path: Path) -> None:
    recipe = load_app(app(tmp_path, text(APP, "files", '"/app/b.db" = { sqlite = "b.sql" }')))
    assert recipe.files["/app/b.db"] == Database(sqlite="b.sql")


def number_of(file: Path, line: str) -> int:
    """The number of a line of a recipe."""
    return file.read_text().splitlines().index(line) + 1


@pytest.mark.parametrize(
    ("table", "line", "field", "said"),
    [
        ("", "versoin = 1", "versoin", "did you mean `version`?"),
        ("", 'version = ["1"]', "version", "string"),
        ("", 'name = "Tiny Library"', "name", "pattern"),
        ("source", 'provider = "ftp"', "source.provider", "'debian', 'https', 'crate', 'sdist', 'folder', 'compiler'"),
        ("source", 'paht = "x"', "source.paht", "did you mean `path`?"),
        ("source", "path = 5", "source.path", "string"),
        ("prepare", 'commands = ["./configure"]', "prepare.commands.0", "list"),
        ("prepare", "commands = [[]]", "prepare.commands.0", "at least 1 item"),
        ("build", 'files = "*.c"', "build.files", "list"),
        ("build", 'files = ["../*.c"]', "build.files.0", "outside its source"),
        ("build", 'files = ["/etc/passwd"]', "build.files.0", "outside its source"),
        ("build", 'include = ["a/../.."]', "build.include.0", "outside its source"),
        ("build", 'overlay = ["../x"]', "build.overlay.0", "outside its source"),
        ("build", 'language = "rust"', "build.language", "'c' or 'c++'"),
        ("build", 'define = ["A"]', "build.define", "did you mean `defines`?"),
        ("link", 'need = ["zlib"]', "link.need", "did you mean `needs`?"),
        ("link", 'needs = ["../zlib"]', "link.needs.0", "pattern"),
    ],
)
def test_a_wrong_field_of_a_library_is_named(tmp_path: Path, table: str, line: str, field: str, said: str) -> None:
    file = library(tmp_path, text(LIBRARY, table, line))
    with pytest.raises(BadInputError) as caught:
        load_library(file)
    assert f"{file}:{number_of(file, line)}: field `{field}`: " in caught.value.message
    assert said in caught.value.message
    assert caught.value.hint == "docs/formats/recipe.md lists every field."


@pytest.mark.parametrize(
    ("table", "line", "field", "said"),
    [
        ("", 'libary = "x"', "libary", "did you mean `libraries`?"),
        ("", 'libraries = "zlib"', "libraries", "list"),
        ("build", 'flag = ["-O3"]', "build.flag", "did you mean `flags`?"),
        ("files", '"app/data" = "data"', "files.app/data", "absolute path"),
        ("files", '"/app/../x" = "data"', "files./app/../x", "absolute path"),
        ("files", '"/app/data" = "/etc/passwd"', "files./app/data", "outside its source"),
        ("files", f'"/{"x" * 100}" = "data"', f"files./{'x' * 100}", "100 bytes"),
        ("run", "heap = 5000", "run.heap", "not a multiple of 4096"),
        ("run", 'heap = "64 T"', "run.heap", "'64 T' is not a size"),
        ("run", 'heap = "1"', "run.heap", "not a multiple of 4096"),
        ("run", "heap = 0", "run.heap", "greater than 0"),
        ("run", "stack = -4096", "run.stack", "greater than 0"),
        ("run", "env = { A = 1 }", "run.env.A", "string"),
        ("[example]", "status = 256", "example.0.status", "less than or equal to 255"),
        ("[example]", 'request_hex = "abc"', "example.0.request_hex", "pattern"),
        ("[example]", 'anwser = "b"', "example.0.anwser", "unknown field"),
    ],
)
def test_a_wrong_field_of_an_app_is_named(tmp_path: Path, table: str, line: str, field: str, said: str) -> None:
    file = app(tmp_path, text(APP, table, line))
    with pytest.raises(BadInputError) as caught:
        load_app(file)
    assert f"{file}:{number_of(file, line)}: field `{field}" in caught.value.message
    assert said in caught.value.message


def test_all_wrong_fields_are_named_at_once(tmp_path: Path) -> None:
    file = library(tmp_path, text(LIBRARY, "build", "files = 1") + "[more]\n")
    with pytest.raises(BadInputError) as caught:
        load_library(file)
    assert "field `build.files`" in caught.value.message
    assert "field `more`: unknown field" in caught.value.message


@pytest.mark.parametrize("field", ["name", "version", "license", "source"])
def test_a_missing_field_is_named(tmp_path: Path, field: str) -> None:
    lines = text({key: value for key, value in LIBRARY.items() if key != field})
    file = library(tmp_path, "\n".join(line for line in lines.splitlines() if not line.startswith(f"{field} =")))
    with pytest.raises(BadInputError, match=f"field `{field}`: missing"):
        load_library(file)


def test_a_hash_must_be_a_whole_one(tmp_path: Path) -> None:
    source = [f'url = "https://example.org/a.tar"\nsha256 = "{HASH[1:]}"', 'provider = "https"']
    with pytest.raises(BadInputError, match=r"field `source\.sha256`"):
        load_library(library(tmp_path, text({**LIBRARY, "source": source})))


def test_an_address_must_be_https(tmp_path: Path) -> None:
    source = [f'url = "http://example.org/a.tar"\nsha256 = "{HASH}"', 'provider = "https"']
    with pytest.raises(BadInputError, match=r"field `source\.url`"):
        load_library(library(tmp_path, text({**LIBRARY, "source": source})))


@pytest.mark.parametrize("content", [b"name = ", b"name = \xff", b"[a]\n[a]\n"])
def test_what_is_not_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "tiny.toml"
    file.write_bytes(content)
    with pytest.raises(BadInputError, match="not valid TOML"):
        load_library(file)


def test_a_library_is_called_like_its_file(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text(text(LIBRARY))
    with pytest.raises(BadInputError, match=r"other\.toml:\d: field `name` is 'tiny'"):
        load_library(file)


def test_no_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        load_library(tmp_path / "tiny.toml")
    (tmp_path / "tiny.toml").mkdir()
    with pytest.raises(BadInputError, match="directory"):
        load_library(tmp_path / "tiny.toml")


def test_a_line_is_found_by_its_word(tmp_path: Path) -> None:
    file = library(tmp_path, 'a = "one"\nb = ["two", \'three\']\n')
    assert [line_of(file, word) for word in ("one", "two", "three", "four", "on")] == [1, 2, 2, 1, 1]


def test_a_project_comes_before_the_catalogue(tmp_path: Path) -> None:
    (tmp_path / "libraries").mkdir()
    (tmp_path / "libraries" / "zlib.toml").write_text(text(LIBRARY, "", 'name = "zlib"'))
    (tmp_path / "app.toml").write_text(text(APP))
    catalog = Catalog([tmp_path])
    assert catalog.library("zlib").version == "1"
    assert catalog.app("tiny").file == tmp_path / "app.toml"
    assert Catalog().library("zlib").version != "1"


@pytest.mark.parametrize("name", ["../zlib", ".hidden", "/etc/passwd"])
def test_a_name_is_never_a_path(name: str) -> None:
    with pytest.raises(NotFoundError, match="unknown library"):
        Catalog().library(name)


def test_every_recipe_of_the_catalogue_can_be_read() -> None:
    catalog = Catalog()
    assert len(catalog.libraries()) == len(list((PACKAGE_CATALOG / "libraries").glob("*.toml"))) > 10
    assert len(catalog.apps()) >= 6


def test_a_long_request_is_written_out_with_its_numbers(tmp_path: Path) -> None:
    file = tmp_path / "app.toml"
    file.write_text('name = "app"\n[work]\nhead = "["\nbody = "{\\"a\\": {n}}, "\ntimes = 3\ntail = "0]"\n')
    work = load_app(file).work
    assert work is not None
    assert work.request == b'[{"a": 0}, {"a": 1}, {"a": 2}, 0]'
    file.write_text('name = "app"\n[work]\ntimes = 0\n')
    with pytest.raises(BadInputError, match=r"work\.times"):
        load_app(file)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'provider = "https"',
            'provider = "svn"',
            "unknown provider 'svn': give one of 'debian', 'https', 'crate', 'sdist', 'folder', 'compiler'",
        ),
        ('provider = "https"\n', "", "the provider is missing"),
        ('provider = "https"', 'provider = "folder"', "`source.url`: does not go with the provider"),
    ],
)
def test_a_wrong_or_missing_provider_is_named_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    file = tmp_path / "a.toml"
    text = f'name = "a"\nversion = "1"\nlicense = "0BSD"\n[source]\nprovider = "https"\nurl = "https://example.org/a.tar"\nsha256 = "{"ab" * 32}"\n'
    file.write_text(text)
    load_library(file)
    file.write_text(text.replace(old, new))
    with pytest.raises(BadInputError) as caught:
        load_library(file)
    assert said in caught.value.message
    assert all(re.match(rf"{re.escape(str(file))}:[4-7]: ", line) for line in caught.value.message.splitlines())
