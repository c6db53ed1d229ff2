"""The functions a benchmark runs, what it asks them, and what it must hear.

In: names of catalogue apps. Out: built images with their examples. An answer that is wrong fails the benchmark: a figure for a
fleet that does not work is worth nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unishare.fleet.examples import Expectation, expectations
from unishare.fleet.references import ImageReference, resolve
from unishare.settings import Settings

if TYPE_CHECKING:
    from unishare.toolchain.recipes.recipe import AppRecipe

# The six functions of the demonstration: different in kind, all in the catalogue.
FUNCTIONS = ("hello", "gzip", "json", "token", "sql", "lua")


@dataclass(frozen=True)
class Function:
    """One app's built image and its expectations; `work` is its long request, empty where it has none."""

    name: str
    image: ImageReference
    expectations: tuple[Expectation, ...]
    work: bytes = b""


def load_functions(settings: Settings, names: Sequence[str] = FUNCTIONS, layout: str | None = None) -> list[Function]:
    """Built images of catalogue apps; NotFoundError says what to build."""
    from unishare.toolchain.recipes.catalog import Catalog

    catalog = Catalog()
    return [_function(catalog.app(name), resolve(f"{layout}:{name}" if layout else name, settings)) for name in names]


def _function(recipe: AppRecipe, image: ImageReference) -> Function:
    return Function(recipe.name, image, expectations(recipe), recipe.work.request if recipe.work else b"")
