"""Recipes to units: include paths, flags and the digests of everything a compilation reads."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from unishare.errors import BadInputError, NotFoundError, UnishareError
from unishare.toolchain.objects.cache import ObjectCache, UnitObject
from unishare.toolchain.objects.compilation import CompilationError, Unit, matching
from unishare.toolchain.objects.function_order import read_order
from unishare.toolchain.objects.hints import Guesses
from unishare.toolchain.recipes.catalog import Catalog
from unishare.toolchain.recipes.closure import libraries_of, needs_of
from unishare.toolchain.recipes.recipe import AppRecipe, LibraryRecipe
from unishare.toolchain.sources.trees import Tree, Trees
from unishare.toolchain.tools.compiler import Compiler, Variant
from unishare.toolchain.tools.digests import Digests, of_value

APP_FOLDER_NAME = "/unishare/app"


@dataclass(frozen=True)
class Workshop:
    """What compiling needs; one a build."""

    catalog: Catalog
    trees: Trees
    objects: ObjectCache
    compiler: Compiler
    digests: Digests

    def library(self, recipe: LibraryRecipe, variant: Variant, pool: Executor) -> UnitObject | None:
        """A library's object; None for one that has only headers."""
        unit_object = self.compiled(recipe, variant, pool)
        if unit_object is None:
            return None
        _refuse_unplaced_sections(recipe, unit_object)
        _refuse_symbols(recipe, unit_object)
        if unit_object.facts.thread_local:
            raise BadInputError(
                f"{recipe.file}: {recipe.name} has thread-local data (.tdata or .tbss)",
                "Its place depends on the whole image, so it cannot be shared: compile without it, or keep it in an app.",
            )
        return unit_object

    def compiled(self, recipe: LibraryRecipe, variant: Variant, pool: Executor) -> UnitObject | None:
        """A library's object, even one that no image could hold."""
        if not recipe.build.files:
            return None
        unit, inputs = self._library_unit(recipe)
        read = [recipe, *self._seen(needs_of(self.catalog, recipe), recipe.build.headers)]
        with self._hints():
            return self.objects.get(unit, recipe.version, variant, inputs, pool, lambda: self.trees.mend(read))

    def cached(self, recipe: LibraryRecipe, variant: Variant) -> UnitObject | None:
        """A library's object if it can be had without a download or a compiler."""
        seen = [recipe, *needs_of(self.catalog, recipe)]
        seen += [self.catalog.library(recipe.build.headers)] if recipe.build.headers else []
        if not recipe.build.files or not all(self.trees.is_present(library) for library in seen):
            return None
        unit, inputs = self._library_unit(recipe)
        return self.objects.cached(unit, recipe.version, variant, inputs)

    def app(self, recipe: AppRecipe, variant: Variant, pool: Executor) -> UnitObject | None:
        """An app's object; None for one without code of its own, whose `main` is a library's."""
        if not recipe.build.files:
            return None
        unit, inputs = self._app_unit(recipe)
        read = self._seen(libraries_of(self.catalog, recipe), None)
        with self._hints():
            unit_object = self.objects.get(unit, "", variant, inputs, pool, lambda: self.trees.mend(read))
        _refuse_unplaced_sections(recipe, unit_object)
        _refuse_symbols(recipe, unit_object)
        return unit_object

    @property
    def guesses(self) -> Guesses:
        """Which libraries could have what is missing."""
        return Guesses(self._known_libraries, self._has_header, self._has_source)

    @contextmanager
    def _hints(self) -> Iterator[None]:
        """Say with a compiler's error which library has the header that is missing."""
        try:
            yield
        except CompilationError as error:
            hint = self.guesses.for_header(error.output)
            if hint is not None:
                error.hint = f"{hint} {error.hint}"
            raise

    def _known_libraries(self) -> Iterator[LibraryRecipe]:
        for name in self.catalog.library_names():
            with suppress(UnishareError):  # a recipe elsewhere that is broken is not this one's matter
                yield self.catalog.library(name)

    def _has_header(self, recipe: LibraryRecipe, header: str) -> bool:
        if not recipe.build.public_include or not self.trees.is_present(recipe):
            return False
        root = self.trees.of(recipe).root
        return any((root / folder / header).is_file() for folder in recipe.build.public_include)

    def _has_source(self, recipe: LibraryRecipe, symbol: str) -> bool:
        if not self.trees.is_present(recipe):
            return False
        with suppress(UnishareError):
            files = matching(recipe, self.trees.of(recipe).root, recipe.build.files, recipe.build.exclude)
            return any(Path(file).stem == symbol for file in files)
        return False

    def _library_unit(self, recipe: LibraryRecipe) -> tuple[Unit, list[str]]:
        build = recipe.build
        tree = self.trees.of(recipe)
        overlays = [self._beside(recipe, folder) for folder in [*build.overlay, *build.public_overlay]]
        forced = [self._beside(recipe, file) for file in build.forced_include]
        headers = self._headers(needs_of(self.catalog, recipe), build.headers)
        flags = [
            *(f"-I{folder}" for folder in overlays),
            *(f"-I{folder}" for folder in [*build.include, *build.public_include]),
            *self._system(headers),
            f"-isystem{self.compiler.include}",
            *(f"-D{define}" for define in build.defines),
            *(part for file in forced for part in ("-include", str(file))),
            *build.flags,
        ]
        unit = Unit(
            owner=recipe.name,
            recipe=recipe.file,
            root=tree.root,
            files=matching(recipe, tree.root, build.files, build.exclude),
            language=build.language,
            flags=tuple(flags),
            prefixes=(
                (str(tree.root), f"/unishare/{recipe.name}-{recipe.version}"),
                (str(recipe.folder), "/unishare/recipes"),
                *_prefixes(headers),
                (str(self.compiler.include), "/unishare/compiler"),
            ),
            covered=(tree.root, *self._covered(headers), *overlays, *forced),
            order=read_order(self._beside(recipe, build.order)) if build.order else (),
        )
        inputs = [
            tree.digest,
            *self._header_digests(headers),
            *map(self.digests.folder, overlays),
            *map(self.digests.file, forced),
        ]
        return unit, inputs

    def _app_unit(self, recipe: AppRecipe) -> tuple[Unit, list[str]]:
        build = recipe.build
        headers = self._headers(libraries_of(self.catalog, recipe), None)
        files = matching(recipe, recipe.folder, build.files, build.exclude)
        flags = [
            "-I.",
            *(f"-I{folder}" for folder in build.include),
            *self._system(headers),
            f"-isystem{self.compiler.include}",
            *(f"-D{define}" for define in build.defines),
            *build.flags,
        ]
        unit = Unit(
            owner=recipe.name,
            recipe=recipe.file,
            root=recipe.folder,
            files=files,
            language=build.language,
            flags=tuple(flags),
            prefixes=(
                (str(recipe.folder), APP_FOLDER_NAME),
                *_prefixes(headers),
                (str(self.compiler.include), "/unishare/compiler"),
            ),
            covered=(*self._covered(headers), *(recipe.folder / file for file in files)),
        )
        # Only the names of what else is there: a new file may stand before another on the include path. What is read of them is
        # noted when it is (objects/reads.py), so that changing a script compiles nothing.
        sources = {file: self.digests.file(recipe.folder / file) for file in files}
        return unit, [of_value([sources, _names_below(recipe.folder)]), *self._header_digests(headers)]

    def _seen(self, libraries: Sequence[LibraryRecipe], last: str | None) -> list[LibraryRecipe]:
        """The libraries whose public headers a unit sees, users before what they use, a libc's last."""
        seen = [*reversed(libraries), *([self.catalog.library(last)] if last else [])]
        return [library for library in seen if library.build.public_include or library.build.public_overlay]

    def _headers(self, libraries: Sequence[LibraryRecipe], last: str | None) -> list[tuple[LibraryRecipe, Tree]]:
        return [(library, self.trees.of(library)) for library in self._seen(libraries, last)]

    def _system(self, headers: Sequence[tuple[LibraryRecipe, Tree]]) -> list[str]:
        folders = [
            str(folder)
            for recipe, tree in headers
            for folder in [
                *(self._beside(recipe, name) for name in recipe.build.public_overlay),
                *(tree.root / name for name in recipe.build.public_include),
            ]
        ]
        return [f"-isystem{folder}" for folder in dict.fromkeys(folders)]

    def _covered(self, headers: Sequence[tuple[LibraryRecipe, Tree]]) -> list[Path]:
        overlays = [self._beside(recipe, name) for recipe, _ in headers for name in recipe.build.public_overlay]
        return [*(tree.root for _, tree in headers), *overlays, self.compiler.include]

    def _header_digests(self, headers: Sequence[tuple[LibraryRecipe, Tree]]) -> list[str]:
        overlays = [self._beside(recipe, name) for recipe, _ in headers for name in recipe.build.public_overlay]
        return [*(tree.digest for _, tree in headers), *map(self.digests.folder, overlays)]

    def _beside(self, recipe: LibraryRecipe, name: str) -> Path:
        path = recipe.folder / name
        if not path.exists():
            raise NotFoundError(f"{recipe.file}: {path} does not exist", "The path is relative to the recipe's own folder.")
        return path


def _refuse_unplaced_sections(recipe: AppRecipe | LibraryRecipe, unit_object: UnitObject) -> None:
    for name, size in unit_object.facts.unplaced_sections.items():
        raise BadInputError(
            f"{unit_object.name}: section {name} ({size} bytes) has no window in the global map",
            "Sections are .text, .rodata, .data, .bss and constructors; change the flags or leave the file out"
            f" in {recipe.file}.",
        )


def _refuse_symbols(recipe: AppRecipe | LibraryRecipe, unit_object: UnitObject) -> None:
    for name, reason in unit_object.facts.refused.items():
        raise BadInputError(
            f"{unit_object.name}: {name} {reason}, which is not supported",
            f"Choose in ordinary code, build for one processor, or leave the file out in {recipe.file}.",
        )


def _prefixes(headers: Sequence[tuple[LibraryRecipe, Tree]]) -> list[tuple[str, str]]:
    trees = [(str(tree.root), f"/unishare/{recipe.name}-{recipe.version}") for recipe, tree in headers]
    return [*trees, *((str(recipe.folder), "/unishare/recipes") for recipe, _ in headers if recipe.build.public_overlay)]


def _names_below(root: Path) -> list[str]:
    """The names of a folder's files, hidden ones left out."""
    found = []
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if not name.startswith(".")]
        found += [str((Path(folder) / name).relative_to(root)) for name in files if not name.startswith(".")]
    return sorted(found)
