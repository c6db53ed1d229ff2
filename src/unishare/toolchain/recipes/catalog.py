"""The catalogue: finds recipes by name, the user's project folders before the package's own.

A search folder holds `libraries/<name>.toml` and `apps/<name>/app.toml`; a project folder may itself be an app (`app.toml` in it).
Recipes are read when they are asked for, so that a folder with a thousand apps costs nothing to open.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from unishare.errors import BadInputError, NotFoundError
from unishare.toolchain.recipes.reading import line_of, load_app, load_library
from unishare.toolchain.recipes.recipe import AppRecipe, LibraryRecipe

SHOWN = 20
PACKAGE_CATALOG = Path(__file__).resolve().parents[2] / "catalog"


class Catalog:
    """Recipes on a search path: the first folder that has a name wins."""

    def __init__(self, projects: Sequence[Path] = (), *, package: Path = PACKAGE_CATALOG) -> None:
        self._folders = [*(project.absolute() for project in projects), package]
        self._libraries: dict[str, LibraryRecipe] = {}
        self._apps: dict[str, AppRecipe] = {}

    @classmethod
    def from_here(cls) -> Catalog:
        """The catalogue as seen from the current folder: a project (a folder with recipes) comes first."""
        here = Path.cwd()
        is_project = any((here / name).exists() for name in ("app.toml", "libraries", "apps"))
        return cls([here] if is_project and here != PACKAGE_CATALOG else [])

    @property
    def folders(self) -> list[Path]:
        """The search path."""
        return list(self._folders)

    def own_apps(self) -> list[AppRecipe]:
        """The apps that project folders themselves are."""
        return self._project_apps()

    def library(self, name: str) -> LibraryRecipe:
        """The recipe of a library."""
        if name not in self._libraries:
            files = (folder / "libraries" / f"{name}.toml" for folder in self._folders)
            self._libraries[name] = load_library(self._first(files, "library", name, self.library_names))
        return self._libraries[name]

    def app(self, name: str) -> AppRecipe:
        """The recipe of an app."""
        if name not in self._apps:
            self._apps[name] = self._own_app(name) or self._app_in_folders(name)
        return self._apps[name]

    def libraries(self) -> list[LibraryRecipe]:
        """All libraries, by name."""
        return [self.library(name) for name in self.library_names()]

    def apps(self) -> list[AppRecipe]:
        """All apps, by name."""
        return [self.app(name) for name in self.app_names()]

    def library_names(self) -> list[str]:
        """The names of all libraries."""
        return sorted({file.stem for folder in self._folders for file in (folder / "libraries").glob("*.toml")})

    def app_names(self) -> list[str]:
        """The names of all apps."""
        names = {file.parent.name for folder in self._folders for file in (folder / "apps").glob("*/app.toml")}
        names.update(recipe.name for recipe in self._project_apps())
        return sorted(names)

    def _project_apps(self) -> list[AppRecipe]:
        return [load_app(folder / "app.toml") for folder in self._folders if (folder / "app.toml").exists()]

    def _own_app(self, name: str) -> AppRecipe | None:
        return next((recipe for recipe in self._project_apps() if recipe.name == name), None)

    def _app_in_folders(self, name: str) -> AppRecipe:
        files = (folder / "apps" / name / "app.toml" for folder in self._folders)
        recipe = load_app(self._first(files, "app", name, self.app_names))
        if recipe.name != name:
            raise BadInputError(
                f"{recipe.file}:{line_of(recipe.file, recipe.name)}: field `name` is {recipe.name!r}, but its folder is called {name}",
                "Let both agree.",
            )
        return recipe

    def _first(self, files: Iterable[Path], what: str, name: str, known: Callable[[], list[str]]) -> Path:
        if "/" not in name and not name.startswith("."):
            for file in files:
                if file.exists():
                    return file
        raise unknown(what, name, known())


def unknown(what: str, name: str, known: Sequence[str]) -> NotFoundError:
    """The error for a name that nothing has, with the names that are near."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return NotFoundError(f"unknown {what} {name!r}", f"Did you mean {' or '.join(near)}?")
    nearest = sorted(known, key=lambda other: (-difflib.SequenceMatcher(None, name, other).ratio(), other))
    more = f" and {len(nearest) - SHOWN} more" if len(nearest) > SHOWN else ""
    return NotFoundError(f"unknown {what} {name!r}", f"Known: {', '.join(nearest[:SHOWN]) or 'none'}{more}.")
