"""Which libraries an image holds: what the app names, and what those need, base libraries first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from unishare.errors import BadInputError, NotFoundError
from unishare.toolchain.recipes.catalog import Catalog
from unishare.toolchain.recipes.reading import line_of
from unishare.toolchain.recipes.recipe import AppRecipe, LibraryRecipe, Source


def libraries_of(catalog: Catalog, app: AppRecipe) -> list[LibraryRecipe]:
    """The transitive closure of an app's libraries, each after what it needs, in the same order in every run."""
    return _Walk(catalog).from_names(app, "libraries", app.libraries)


def needs_of(catalog: Catalog, library: LibraryRecipe) -> list[LibraryRecipe]:
    """What a library needs, transitively, without itself."""
    return [need for need in _Walk(catalog).from_names(library, "link.needs", library.link.needs) if need.name != library.name]


def inseparable(libraries: Sequence[LibraryRecipe]) -> list[str]:
    """Those of an image's libraries that never come alone: what needs each other in a circle, and all that it needs.

    Images that hold one of them hold them all, so the pool may keep them as one.
    """
    needs = {library.name: library.link.needs for library in libraries}

    def reached(name: str) -> set[str]:
        found: set[str] = set()
        rest = list(needs[name])
        while rest:
            other = rest.pop()
            if other not in found:
                found.add(other)
                rest += needs[other]
        return found

    circles = [found for name in needs if name in (found := reached(name))]
    return [name for name in needs if any(name in found for found in circles)]


class _Walk:
    """One depth-first walk."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._done: dict[str, LibraryRecipe] = {}
        self._path: list[LibraryRecipe] = []

    def from_names(self, recipe: AppRecipe | LibraryRecipe, field: str, names: list[str]) -> list[LibraryRecipe]:
        for name in names:
            self._visit(self._library(recipe, field, name))
        return list(self._done.values())

    def _library(self, user: AppRecipe | LibraryRecipe, field: str, name: str) -> LibraryRecipe:
        try:
            return self._catalog.library(name)
        except NotFoundError as error:
            raise NotFoundError(
                f"{user.file}:{line_of(user.file, name)}: field `{field}`: {error.message}", error.hint
            ) from None

    def _visit(self, library: LibraryRecipe) -> None:
        if library.name in self._done:
            return
        if library in self._path:
            self._refuse_cycle(library)
            return
        self._path.append(library)
        for name in library.link.needs:
            self._visit(self._library(library, "link.needs", name))
        self._path.pop()
        self._done[library.name] = library

    def _refuse_cycle(self, library: LibraryRecipe) -> None:
        """Parts of one upstream source may need each other (a libc's do); libraries of different sources may not."""
        cycle = [*self._path[self._path.index(library) :], library]
        if len({_origin(member.source) for member in cycle}) == 1:
            return
        lines = [
            f"{user.file}:{line_of(user.file, needed.name)}: {user.name} needs {needed.name}" for user, needed in _pairs(cycle)
        ]
        raise BadInputError(
            "a cycle of needs:\n" + "\n".join(lines), "Remove one of these, or move what both use into a library of its own."
        )


def _origin(source: Source) -> tuple[str, str]:
    return source.provider, str(getattr(source, "sha256", getattr(source, "path", "")))


def _pairs(cycle: list[LibraryRecipe]) -> Iterator[tuple[LibraryRecipe, LibraryRecipe]]:
    return pairwise(cycle)
