"""Building images: the one way from app names to image folders. Called by the CLI, the tests and the population generator.

Libraries first, all files of all of them in one queue; then windows, in a fixed order, so that the map does not depend on the
number of jobs; then each app: compile, link, write. A folder is replaced as a whole: nobody sees half an image.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal, TypeVar

from filelock import FileLock

from unishare.errors import BadInputError, UnishareError
from unishare.formats.addresses import RANDOM_HEAP_LIMIT, heap_limit
from unishare.formats.image import ImageFacts, LibraryReference
from unishare.settings import Settings
from unishare.state import make_folder, replace_folder
from unishare.toolchain.link import files_archive, symbols
from unishare.toolchain.link.app_window import refuse_too_large
from unishare.toolchain.link.image_key import has_key, write_key
from unishare.toolchain.link.job import LinkJob, Places, Site
from unishare.toolchain.link.layouts import LAYOUTS, Layout
from unishare.toolchain.link.stub import ENTRY_NEEDS, STUB
from unishare.toolchain.map.global_map import GlobalMap
from unishare.toolchain.objects.cache import ObjectCache, UnitObject
from unishare.toolchain.objects.compilation import Unit
from unishare.toolchain.objects.unit import Workshop
from unishare.toolchain.recipes.catalog import PACKAGE_CATALOG, Catalog
from unishare.toolchain.recipes.closure import inseparable, libraries_of
from unishare.toolchain.recipes.recipe import AppRecipe, LibraryRecipe
from unishare.toolchain.sources.trees import Trees
from unishare.toolchain.tools.commands import Tools
from unishare.toolchain.tools.compiler import Compiler, Variant
from unishare.toolchain.tools.digests import Digests, of_bytes, of_value
from unishare.unfinished import unfinished_folder

# What is done, how much of it, how much in all.
Progress = Callable[[str, int, int], None]
# Runs an image once, confined, with one request; its status and its answer.
Ask = Callable[[Path, bytes], tuple[int, bytes]]
# A finished image folder, and the place where it belongs; the first name may be left with what was there before.
Publish = Callable[[Path, Path], None]
# Raised when the linker scripts or the form of an image change, so that images of before are linked again.
LINK_FORMAT = 6
_T = TypeVar("_T")


@dataclass(frozen=True)
class Image:
    """A built image: `image.elf` and `image.json` in a folder. `fresh` if it was linked just now."""

    name: str
    layout: str
    folder: Path
    fresh: bool


class Builder:
    """One build. Use as a context manager: leaving it ends every tool that still runs.

    `global_map`: instead of the home's own. `publish` puts a finished folder in its place; the pool's cuts it into runs first. `warn`
    is told what the compiler says of a project's own files: the catalogue's are as their authors left them. `ask`: how an image is
    run, for libraries that want the files of their apps looked at; without it they are not.
    """

    def __init__(
        self,
        catalog: Catalog,
        settings: Settings,
        jobs: int,
        progress: Progress,
        global_map: GlobalMap | None = None,
        publish: Publish = replace_folder,
        warn: Callable[[str], None] = lambda _: None,
        ask: Ask | None = None,
    ) -> None:
        self._catalog = catalog
        self._settings = settings
        self._progress = progress
        self._ask = ask
        self._publish = publish
        self._warn = warn
        self._tools = Tools()
        self._compiler = Compiler(self._tools)
        self._digests = Digests()
        self._map = global_map or GlobalMap(settings.global_map)
        self._compiles = ThreadPoolExecutor(jobs, "compile")
        self._steps = ThreadPoolExecutor(jobs + 1, "step")
        self._built: dict[tuple[str, str], UnitObject | None] = {}
        self._workshop = Workshop(
            catalog,
            Trees(settings, self._compiler, self._tools, self._digests),
            ObjectCache(settings.objects, self._compiler, self._tools, self._digests, self._tell),
            self._compiler,
            self._digests,
        )

    def __enter__(self) -> Builder:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._tools.stop()
        self._compiles.shutdown(cancel_futures=True)
        self._steps.shutdown(cancel_futures=True)

    def _tell(self, unit: Unit, warnings: str) -> None:
        if not unit.recipe.is_relative_to(PACKAGE_CATALOG):
            self._warn(f"{unit.owner}: the compiler warns:\n{warnings}")

    def images(self, names: Sequence[str], layout_name: str) -> Iterator[Image]:
        """Build apps under a layout; each image as soon as it and those before it are done."""
        layout = LAYOUTS[layout_name]
        apps = [self._catalog.app(name) for name in names]
        closures = {app.name: libraries_of(self._catalog, app) for app in apps}
        recipes = {library.name: library for closure in closures.values() for library in closure}
        objects = self.libraries(list(recipes.values()), layout)
        checkers = self._checkers(closures, layout_name)
        places = {app.name: self._places(_units(closures[app.name], objects), layout) for app in apps}
        futures = [
            self._steps.submit(self._image, app, closures[app.name], objects, places[app.name], layout, checkers[app.name])
            for app in apps
        ]
        for number, (app, future) in enumerate(zip(apps, futures, strict=True)):
            self._progress(f"building {app.name}", number, len(apps))
            yield _result(future, futures)

    def _checkers(self, closures: Mapping[str, Sequence[LibraryRecipe]], layout_name: str) -> Mapping[str, Sequence[Image]]:
        """The images, by app, that look at its files: they are apps too, and built like them."""
        wanted = {
            name: [library.check.app for library in closure if library.check and library.check.app != name] if self._ask else []
            for name, closure in closures.items()
        }
        images = {checker: next(self.images([checker], layout_name)) for checker in dict.fromkeys(chain(*wanted.values()))}
        return {name: [images[checker] for checker in checkers] for name, checkers in wanted.items()}

    def libraries(self, recipes: Sequence[LibraryRecipe], layout: Layout) -> Mapping[str, UnitObject | None]:
        """Build libraries at the same time; objects by name, None for those that are only headers."""
        missing = [library for library in recipes if (library.name, layout.variant) not in self._built]
        futures = [
            (library, self._steps.submit(self._workshop.library, library, layout.variant, self._compiles))
            for library in missing
        ]
        for number, (recipe, future) in enumerate(futures):
            self._progress(f"library {recipe.name}", number, len(futures))
            self._built[recipe.name, layout.variant] = _result(future, [other for _, other in futures])
        return {library.name: self._built[library.name, layout.variant] for library in recipes}

    def compiled(self, recipe: LibraryRecipe, variant: Variant) -> UnitObject | None:
        """One library's object, even one that no image could hold; None for one that has only headers."""
        return self._workshop.compiled(recipe, variant, self._compiles)

    def cached(self, recipe: LibraryRecipe, variant: Variant) -> UnitObject | None:
        """One library's object if it was compiled before."""
        return self._workshop.cached(recipe, variant)

    def others(self, without: Collection[str], variant: Variant) -> Iterator[UnitObject]:
        """Objects of the catalogue's other libraries that were compiled before."""
        for name in self._catalog.library_names():
            # A recipe elsewhere that is broken is not the caller's matter.
            with contextlib.suppress(UnishareError):
                unit = None if name in without else self.cached(self._catalog.library(name), variant)
                if unit is not None:
                    yield unit

    def _image(
        self,
        app: AppRecipe,
        closure: Sequence[LibraryRecipe],
        objects: Mapping[str, UnitObject | None],
        places: Places,
        layout: Layout,
        checkers: Sequence[Image],
    ) -> Image:
        libraries = _units(closure, objects)
        unit = self._workshop.app(app, layout.variant, self._compiles)
        files = files_archive.build(app)
        facts = ImageFacts(
            name=app.name,
            layout=layout.name,
            libraries=[
                LibraryReference(name=library.name, version=library.version, hash=library.digest) for library in libraries
            ],
            inseparable=inseparable(closure),
            argv=app.argv,
            env=app.run.env,
            heap=_at_least("heap", app, closure),
            stack=_at_least("stack", app, closure),
            state="none" if app.state == "none" else None,
        )
        _refuse_heap(app, facts)
        addresses = {library.name: places.of(library) for library in libraries}
        key = of_value(
            [LINK_FORMAT, self._compiler.identity, STUB, unit and unit.digest, of_bytes(files), facts.model_dump(), addresses]
        )
        folder = self._settings.image_folder(layout.name, app.name)
        if has_key(folder, key):
            return Image(app.name, layout.name, folder, fresh=False)
        for checker in checkers:
            self._check(app, files, checker)
        refuse_too_large(app, unit, files)
        job = LinkJob(app.name, unit, libraries, places, files)
        known = self.others({library.name for library in libraries}, layout.variant)
        symbols.check(job.units, ENTRY_NEEDS, self._allowed(libraries), known, self._workshop.guesses)
        self._write(folder, facts, key, job, layout)
        return Image(app.name, layout.name, folder, fresh=True)

    def _check(self, app: AppRecipe, files: bytes, checker: Image) -> None:
        """Let an image look at an app's files, and say what it finds in names of the app's folder."""
        assert self._ask is not None
        status, answer = self._ask(checker.folder, files)
        if status == 0:
            return
        text = answer.decode(errors="replace").strip() or f"{checker.name} ended with status {status} and said nothing"
        for guest, local in files_archive.local_files(app).items():
            text = re.sub(rf"{re.escape(guest)}(?![\w./])", str(app.folder / local).replace("\\", r"\\"), text)
        raise BadInputError(f"{app.name}: its files are not right:\n{text}")

    def _places(self, libraries: Sequence[UnitObject], layout: Layout) -> Places:
        """Where an image's libraries lie, all in one generation of the map even if a later image begins the next."""
        return layout.places(libraries, self._map, self._compiler, self._tools)

    def _write(self, folder: Path, facts: ImageFacts, key: str, job: LinkJob, layout: Layout) -> None:
        make_folder(folder.parent)
        with unfinished_folder(folder.parent) as temporary:
            work, fresh = temporary / "work", temporary / "image"
            work.mkdir()
            fresh.mkdir()
            layout.write(job, facts, Site(self._compiler, self._tools, work, fresh))
            write_key(fresh, key)
            with FileLock(folder.parent / ".lock"):
                if not has_key(folder, key):  # else another build was quicker
                    self._publish(fresh, folder)

    def _allowed(self, libraries: Sequence[UnitObject]) -> list[str]:
        return [symbol for library in libraries for symbol in self._catalog.library(library.name).link.allow_undefined]


def _at_least(field: Literal["heap", "stack"], app: AppRecipe, closure: Sequence[LibraryRecipe]) -> int:
    """Bytes of heap or stack: what the app's recipe says, or else what the libraries need at least."""
    own: int = getattr(app.run, field)
    if field in app.run.model_fields_set:
        return own
    return max([own, *(getattr(library.run, field) or 0 for library in closure)])


def _refuse_heap(app: AppRecipe, facts: ImageFacts) -> None:
    """A heap that the layout has no addresses for: said in the recipe's terms, before anything is linked."""
    limit = heap_limit(facts.layout == "aslr", facts.stack)
    if facts.heap > limit:
        raise BadInputError(
            f"{app.file}: field `run.heap`: {facts.heap} bytes are more than the {limit} that the layout {facts.layout} leaves",
            f"Under the layout aslr a heap can have {RANDOM_HEAP_LIMIT} bytes (docs/limits.md).",
        )


def build_app(catalog: Catalog, name: str, layout: str, settings: Settings, jobs: int, progress: Progress | None) -> Image:
    """Build one app."""
    with Builder(catalog, settings, jobs, progress or (lambda *_: None)) as builder:
        return next(iter(builder.images([name], layout)))


def _result(future: Future[_T], others: Sequence[Future[_T]]) -> _T:
    """A future's result; when it failed, nothing of the others begins any more."""
    try:
        return future.result()
    except BaseException:
        for other in others:
            other.cancel()
        raise


def _units(closure: Sequence[LibraryRecipe], objects: Mapping[str, UnitObject | None]) -> list[UnitObject]:
    """The objects of an image's libraries; some have only headers."""
    return [unit for library in closure if (unit := objects[library.name])]
