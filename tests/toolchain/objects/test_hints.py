"""Warnings are shown, and what is missing is told with where it could come from, or that guests have nothing of the kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolchain.project import Project
from unishare.errors import BuildError, NotFoundError
from unishare.toolchain.build import Builder
from unishare.toolchain.objects.hints import Guesses, fewest, nearest_first
from unishare.toolchain.recipes.catalog import PACKAGE_CATALOG, Catalog, unknown

CATALOG = Catalog()
# Of a home where nothing was ever unpacked.
GUESSES = Guesses(lambda: [CATALOG.library(name) for name in CATALOG.library_names()])


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
    # Until they are mended, also when nothing is compiled: who was away at the first build would never see them.
    assert warnings_of(project) == found
    (project.folder / "apps" / "one" / "main.c").write_text("int alpha(int); int main(void) { return alpha(1); }")
    assert [text.split(":")[0] for text in warnings_of(project)] == ["alpha"]


def test_a_template_of_the_catalogue_asks_for_warnings() -> None:
    assert "-Wall" in (PACKAGE_CATALOG / "languages" / "c" / "template" / "app.toml").read_text()


@pytest.mark.parametrize("header", ["string", "vector", "iostream"])
def test_a_header_of_the_cxx_library_is_told_to_be_none(project: Project, header: str) -> None:
    error = failure(project, f"#include <{header}>\nint main() {{ return 0; }}", more='[build]\nlanguage = "c++"')
    assert f"{header}: No such file" in error.message and "There is no C++ standard library" in str(error.hint)


@pytest.mark.parametrize(
    ("header", "library"),
    [("sqlite3.h", "sqlite"), ("zlib.h", "zlib"), ("lua.h", "lua"), ("expat.h", "expat"), ("yaml.h", "libyaml"), ("mbedtls/sha256.h", "mbedtls"),
     ("tinyxml2.h", "tinyxml2"), ("zstd.h", "zstd"), ("lz4.h", "lz4"), ("jansson.h", "jansson"), ("pcre2.h", "pcre2"), ("bzlib.h", "bzip2"),
     ("cJSON.h", "cjson"), ("duktape.h", "duktape"), ("http_parser.h", "http-parser"), ("kiss_fftr.h", "kissfft"), ("sodium.h", "libsodium"),
     ("lauxlib.h", "lua"), ("lz4frame.h", "lz4"), ("psa/crypto.h", "mbedtls"), ("md4c-html.h", "md4c"), ("mujs.h", "mujs"), ("xxh3.h", "xxhash"),
     ("qrencode.h", "qrencode"), ("quickjs.h", "quickjs"), ("libdeflate.h", "libdeflate"), ("stb_image.h", "stb"), ("zconf.h", "zlib"), ("zdict.h", "zstd")],
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
     ("BZ2_bzCompress", "belongs to bzip2"), ("XML_Parse", "belongs to expat"), ("inflateInit_", "belongs to zlib"), ("LZ4F_freeContext", "sounds like lz4"),
     ("duk_push_string", "belongs to duktape"), ("crypto_secretbox", "belongs to libsodium"), ("_ZN8tinyxml211XMLDocumentD1Ev", "belongs to tinyxml2"),
     ("sqlite3_open", "sounds like sqlite"), ("ZSTD_compress", "sounds like zstd"), ("yaml_parser_parse", "sounds like libyaml"),
     ("_ZNSt6vectorIiE", "no C++ standard library"), ("__cxa_throw", "no C++ standard library")],
)  # fmt: skip
def test_a_symbol_names_its_library_or_that_guests_have_none(project: Project, symbol: str, said: str) -> None:
    assert said in str(GUESSES.for_symbol(symbol))
    error = failure(project, f"int {symbol}(int); int main(void) {{ return {symbol}(1); }}")
    assert f"undefined symbol {symbol}" in error.message and said in str(error.hint)


def test_a_symbol_of_a_library_that_was_not_compiled_is_found_by_its_source_file(project: Project) -> None:
    source = project.library("alpha", "int helper(void) { return 1; }").parent / "alpha-source"
    (source / "frobnicate.c").write_text("int frobnicate(int i) { return i; }")
    error = failure(project, "int frobnicate(int); int main(void) { return frobnicate(1); }")
    assert "frobnicate belongs to alpha" in str(error.hint)


def test_candidates_come_nearest_first_and_no_more_than_are_needed() -> None:
    assert nearest_first("yaml_parse", ["a-far", "libyaml", "yammer"]) == ["libyaml", "yammer", "a-far"]
    providers = {"a": ["every", "only-a"], "b": ["every", "only-b"], "c": ["other"]}
    assert fewest(providers) == ["every", "other"]
    assert fewest({"md_parse": ["zz", "md4c", "aa"]}) == ["md4c"]
    assert fewest({}) == []


def test_a_symbol_that_nobody_has_gets_no_guess() -> None:
    assert GUESSES.for_symbol("frobnicate") is None


def test_names_that_are_known_come_nearest_first() -> None:
    error = unknown("library", "qqq-string", [*(f"aaa{number:02}" for number in range(40)), "musl-string"])
    assert isinstance(error, NotFoundError)
    assert "musl-string" in str(error.hint).split(",")[0]
