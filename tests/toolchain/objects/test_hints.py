"""Warnings are shown, and what is missing is told with where it could come from, or that guests have nothing of the kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolchain.project import Project
from unishare.errors import BuildError, NotFoundError
from unishare.toolchain.build import Builder
from unishare.toolchain.objects.hints import for_missing_symbol
from unishare.toolchain.recipes.catalog import PACKAGE_CATALOG, Catalog, unknown

NAMES = Catalog().library_names()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def warnings_of(project: Project, layout: str = "aligned") -> list[str]:
    found: list[str] = []
    with Builder(Catalog([project.folder]), project.settings, 2, lambda *_: None, warn=found.append) as builder:
        list(builder.images(["one"], layout))
    return found


def failure(project: Project, code: str, more: str = "") -> BuildError:
    project.app("one", code, [], more=more)
    with pytest.raises(BuildError) as caught:
        project.build(["one"])
    return caught.value


def test_a_compilers_warnings_are_handed_on(project: Project) -> None:
    project.library("alpha", "int alpha(int i) { int never; return i; }", more='flags = ["-Wall"]')
    project.app(
        "one", "int alpha(int); static int unused(void) { return 1; } int main(void) { return alpha(1); }", ["alpha"],
        more='[build]\nflags = ["-Wall"]',
    )  # fmt: skip
    found = warnings_of(project)
    assert [text.split(":")[0] for text in sorted(found)] == ["alpha", "one"]
    assert any("unused variable" in text for text in found) and any("defined but not used" in text for text in found)
    assert warnings_of(project) == []


def test_a_template_of_the_catalogue_asks_for_warnings() -> None:
    assert "-Wall" in (PACKAGE_CATALOG / "languages" / "c" / "template" / "app.toml").read_text()


@pytest.mark.parametrize("header", ["string", "vector", "iostream"])
def test_a_header_of_the_cxx_library_is_told_to_be_none(project: Project, header: str) -> None:
    error = failure(project, f"#include <{header}>\nint main() {{ return 0; }}", more='[build]\nlanguage = "c++"')
    assert f"{header}: No such file" in error.message and "There is no C++ standard library" in str(error.hint)


@pytest.mark.parametrize(
    ("header", "library"),
    [("sqlite3.h", "sqlite"), ("zlib.h", "zlib"), ("lua.h", "lua"), ("expat.h", "expat"), ("yaml.h", "libyaml"), ("mbedtls/sha256.h", "mbedtls"),
     ("tinyxml2.h", "tinyxml2"), ("zstd.h", "zstd"), ("lz4.h", "lz4"), ("jansson.h", "jansson"), ("pcre2.h", "pcre2")],
)  # fmt: skip
def test_a_header_of_a_catalogue_library_names_it(project: Project, header: str, library: str) -> None:
    error = failure(project, f"#include <{header}>\nint main(void) {{ return 0; }}")
    assert f"{header} belongs to {library}" in str(error.hint)


def test_a_header_of_ones_own_library_names_it(project: Project) -> None:
    project.library("alpha", "int alpha(int i) { return i; }")
    (project.folder / "libraries" / "alpha-source" / "quite_another.h").write_text("")
    error = failure(project, "#include <quite_another.h>\nint main(void) { return 0; }")
    assert "quite_another.h belongs to alpha" in str(error.hint)


def test_a_header_that_nobody_has_gets_no_guess(project: Project) -> None:
    assert "belongs to" not in str(failure(project, "#include <nowhere.h>\nint main(void) { return 0; }").hint)


@pytest.mark.parametrize(
    ("symbol", "said"),
    [("socket", "no network"), ("getaddrinfo", "no network"), ("pthread_create", "one thread"), ("execve", "one process"), ("dlopen", "linked as a whole"),
     ("sqlite3_open", "sounds like sqlite"), ("ZSTD_compress", "sounds like zstd"), ("yaml_parser_parse", "sounds like libyaml"),
     ("_ZNSt6vectorIiE", "no C++ standard library"), ("__cxa_throw", "no C++ standard library")],
)  # fmt: skip
def test_a_symbol_names_its_library_or_that_guests_have_none(project: Project, symbol: str, said: str) -> None:
    assert said in str(for_missing_symbol(symbol, NAMES))
    error = failure(project, f"int {symbol}(int); int main(void) {{ return {symbol}(1); }}")
    assert f"undefined symbol {symbol}" in error.message and said in str(error.hint)


def test_a_symbol_that_nobody_has_gets_no_guess() -> None:
    assert for_missing_symbol("frobnicate", NAMES) is None


def test_names_that_are_known_come_nearest_first() -> None:
    error = unknown("library", "qqq-string", [*(f"aaa{number:02}" for number in range(40)), "musl-string"])
    assert isinstance(error, NotFoundError)
    assert "musl-string" in str(error.hint).split(",")[0]
