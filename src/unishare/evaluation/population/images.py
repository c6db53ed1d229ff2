"""The functions of a population, built under a layout and ready to be started and asked. Called by `unishare population` and `evaluate`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from unishare.errors import BadInputError, NotFoundError
from unishare.evaluation.bench.workload import Function, load_functions
from unishare.evaluation.population.write import MARK, Population, write
from unishare.fleet.examples import expectations
from unishare.fleet.references import ImageReference, resolve
from unishare.formats.image import MANIFEST_NAME
from unishare.pool.store import Pool
from unishare.settings import Settings
from unishare.toolchain.build import Builder
from unishare.toolchain.recipes.catalog import Catalog

Step = Callable[[str, int, int], None]


def population_folder(settings: Settings, seed: int) -> Path:
    """Where the projects of a seed are, unless they were written elsewhere."""
    return settings.home / "population" / str(seed)


def write_population(settings: Settings, seed: int, count: int, step: Step) -> list[str]:
    """Have at least the first `count` functions of a seed as projects; their names. More that are there stay."""
    folder = population_folder(settings, seed)
    with contextlib.suppress(OSError, ValueError):
        found = Population.model_validate_json((folder / MARK).read_bytes())
        if found.seed == seed and found.count >= count:
            return found.names()[:count]
    wanted = Population(seed=seed, count=count)
    write(folder, wanted, lambda done, total: step("writing functions", done, total))
    return wanted.names()


def build_population(
    settings: Settings, folder: Path | None, names: Sequence[str], layout: str, jobs: int, step: Step
) -> list[ImageReference]:
    """Build and pool functions under a layout; what is built and unchanged is only looked at. `folder`: None for the catalogue's own."""

    def libraries_only(what: str, done: int, total: int) -> None:
        """A line for each of a thousand apps would be noise."""
        if not what.startswith("building "):
            step(what, done, total)

    pool = Pool.create(settings.pool)
    images = []
    with Builder(Catalog([folder] if folder else []), settings, jobs, libraries_only) as builder:
        for number, image in enumerate(builder.images(list(names), layout)):
            images.append(ImageReference(image.name, pool.ensure_image(image.folder)))
            step(f"built as {layout}", number + 1, len(names))
    return images


def population_functions(settings: Settings, seed: int, count: int, layout: str) -> list[Function]:
    """The first `count` functions of a seed with what they must answer; NotFoundError where they are not built."""
    folder = population_folder(settings, seed)
    try:
        found = Population.model_validate_json((folder / MARK).read_bytes())
    except OSError:
        raise NotFoundError(
            f"{folder}: no population of seed {seed}", "unishare evaluate --prepare writes and builds it"
        ) from None
    except ValueError:
        raise BadInputError(f"{folder / MARK}: damaged", f"remove {folder}") from None
    catalog = Catalog([folder])
    functions = []
    for name in found.names()[:count]:
        manifest = settings.image_folder(layout, name) / MANIFEST_NAME
        if not manifest.is_file():
            raise NotFoundError(
                f"the function {name} is not built as {layout}", "unishare evaluate --prepare builds what is missing"
            )
        functions.append(Function(name, ImageReference(name, manifest), expectations(catalog.app(name))))
    if len(functions) < count:
        raise NotFoundError(f"{folder} has {len(functions)} functions, not {count}", "unishare evaluate --prepare writes more")
    return functions


def catalogue_functions(settings: Settings, apps: Sequence[str], layout: str) -> list[Function]:
    """Apps of the catalogue with what they must answer."""
    for app in apps:
        resolve(f"{layout}:{app}", settings)
    return load_functions(settings, list(apps), layout)
