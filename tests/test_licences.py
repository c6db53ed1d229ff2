"""Every upstream library's licence is written down: in its recipe, as SPDX, and in docs/licences.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from unishare.toolchain.recipes.catalog import Catalog
from unishare.toolchain.recipes.recipe import FolderSource, LibraryRecipe

LIBRARIES = Catalog().libraries()
PAGE = (Path(__file__).resolve().parents[1] / "docs" / "licences.md").read_text()
# SPDX identifiers and expressions, as far as they occur: NAME, NAME WITH EXCEPTION, NAME AND|OR NAME.
EXPRESSION = re.compile(r"[A-Za-z0-9.+-]+( (WITH|AND|OR) [A-Za-z0-9.+-]+)*")


@pytest.mark.parametrize("library", LIBRARIES, ids=[one.name for one in LIBRARIES])
def test_a_recipe_states_a_licence_expression(library: LibraryRecipe) -> None:
    assert EXPRESSION.fullmatch(library.license), f"{library.file}: {library.license!r}"


def test_the_page_lists_every_upstream_library_with_its_licence_and_nothing_else() -> None:
    upstream = {one.name: one.license for one in LIBRARIES if not isinstance(one.source, FolderSource)}
    musl = {name for name in upstream if name.startswith("musl-")}
    assert len({upstream[name] for name in musl}) == 1
    expected = {name: text for name, text in upstream.items() if name not in musl} | {"musl": upstream[min(musl)]}
    rows = dict(re.findall(r"^\| (\w[\w-]*) \| ([^|]+?) \|", PAGE, re.M))
    rows.pop("library")
    assert rows == expected
