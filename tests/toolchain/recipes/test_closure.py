"""Which libraries an image holds, in which order, and what a wrong need says."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from unishare.errors import BadInputError, NotFoundError
from unishare.toolchain.recipes.catalog import Catalog
from unishare.toolchain.recipes.closure import inseparable, libraries_of, needs_of

HASH = "ab" * 32


def catalog(folder: Path, needs: Mapping[str, Sequence[str]], *, one_source: bool = False) -> Catalog:
    """Libraries with these needs, of different sources or all of one archive."""
    (folder / "libraries").mkdir()
    for name, names in needs.items():
        source = (
            f'provider = "https"\nurl = "https://example.org/a.tar"\nsha256 = "{HASH}"'
            if one_source
            else f'provider = "folder"\npath = "{name}"'
        )
        (folder / "libraries" / f"{name}.toml").write_text(
            f'name = "{name}"\nversion = "1"\nlicense = "0BSD"\n[source]\n{source}\n[link]\nneeds = {list(names)}\n'
        )
    return Catalog([folder], package=folder / "nothing")


def closure(folder: Path, catalog: Catalog, libraries: Sequence[str]) -> list[str]:
    (folder / "app.toml").write_text(f'name = "app"\nlibraries = {list(libraries)}\n')
    return [one.name for one in libraries_of(catalog, catalog.app("app"))]


def test_each_library_comes_once_and_after_what_it_needs(tmp_path: Path) -> None:
    known = catalog(tmp_path, {"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": [], "unused": []})
    assert closure(tmp_path, known, ["a", "c"]) == ["d", "b", "c", "a"]


@pytest.mark.parametrize("seed", range(20))
def test_the_order_holds_for_any_needs(tmp_path: Path, seed: int) -> None:
    choose = random.Random(seed)
    names = [f"n{number}" for number in range(12)]
    needs = {name: choose.sample(names[:number], min(number, choose.randrange(4))) for number, name in enumerate(names)}
    found = closure(tmp_path, catalog(tmp_path, needs), choose.sample(names, 5))
    assert len(found) == len(set(found))
    for name in found:
        assert all(found.index(need) < found.index(name) for need in needs[name])


def test_needs_are_transitive_and_without_the_library_itself(tmp_path: Path) -> None:
    known = catalog(tmp_path, {"a": ["b"], "b": ["c"], "c": []})
    assert [one.name for one in needs_of(known, known.library("a"))] == ["c", "b"]


def test_an_app_without_libraries_has_none(tmp_path: Path) -> None:
    assert closure(tmp_path, catalog(tmp_path, {}), []) == []


def test_a_cycle_is_shown_need_by_need(tmp_path: Path) -> None:
    known = catalog(tmp_path, {"a": ["b"], "b": ["c"], "c": ["b"]})
    with pytest.raises(BadInputError) as caught:
        closure(tmp_path, known, ["a"])
    lines = caught.value.message.splitlines()
    assert [line.rpartition(": ")[2] for line in lines[1:]] == ["b needs c", "c needs b"]
    assert f"{tmp_path / 'libraries' / 'b.toml'}:8: " in lines[1]


def test_parts_of_one_source_may_need_each_other(tmp_path: Path) -> None:
    known = catalog(tmp_path, {"a": ["b"], "b": ["c"], "c": ["a"]}, one_source=True)
    assert sorted(closure(tmp_path, known, ["a"])) == ["a", "b", "c"]
    assert [one.name for one in needs_of(known, known.library("a"))] == ["c", "b"]


def test_an_unknown_need_names_the_recipe_its_line_and_near_names(tmp_path: Path) -> None:
    known = catalog(tmp_path, {"parser": ["lexr"], "lexer": []})
    with pytest.raises(NotFoundError) as caught:
        closure(tmp_path, known, ["parser"])
    assert caught.value.message == f"{tmp_path / 'libraries' / 'parser.toml'}:8: field `link.needs`: unknown library 'lexr'"
    assert caught.value.hint == "Did you mean lexer?"


def test_an_unknown_library_of_an_app_names_its_line(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        closure(tmp_path, catalog(tmp_path, {"a": []}), ["wholly-different"])
    assert f"{tmp_path / 'app.toml'}:2: field `libraries`" in caught.value.message
    assert caught.value.hint == "Known: a."


def test_what_never_comes_alone_is_the_c_library_and_what_it_needs() -> None:
    catalog = Catalog()
    found = inseparable(libraries_of(catalog, catalog.app("gzip")))
    assert {"musl-core", "musl-string", "libgcc", "unishare-boot", "unishare-posix"} <= set(found)
    assert not {"zlib", "unishare-invoke"} & set(found)
    for name in catalog.app_names():
        assert set(found) <= {one.name for one in libraries_of(catalog, catalog.app(name))}
