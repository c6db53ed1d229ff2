"""`bench placement`: what it is worth that libraries used together are neighbours.

The same apps are linked three times from the same objects, in homes that are thrown away: `scattered`, each library in zones of
its own; `neighbours`, placed by the global map, a run for each window; `joined`, the same with one run for the libraries that never
come alone, which is how images are built. Of each app one process runs and answers all its examples; then its mappings and page
tables are read. For KVM, the page tables that the pool holds are counted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from unishare.errors import NotFoundError
from unishare.evaluation.bench.report import BenchReport, Row, environment, ratio
from unishare.evaluation.bench.workload import Function
from unishare.fleet import launcher
from unishare.fleet.examples import expectations
from unishare.fleet.messages import StartRequest
from unishare.fleet.references import ImageReference
from unishare.formats.image import MANIFEST_NAME, read_facts
from unishare.formats.manifest import Manifest
from unishare.formats.sections import Kind
from unishare.host.mappings import mapping_bytes, read_address_space
from unishare.pool.store import Pool
from unishare.settings import Settings
from unishare.toolchain.build import Builder
from unishare.toolchain.map.global_map import GlobalMap
from unishare.toolchain.map.zones import SEPARATE, Lengths, Window, Zones
from unishare.toolchain.recipes.catalog import Catalog

LAYOUT = "aligned"
TIME_LIMIT_MS = 60_000
Progress = Callable[[str, int, int], None]


@dataclass
class ScatteredZones(Zones):
    """Every library opens zones of its own: what a map without placement costs."""

    lengths: Lengths = SEPARATE
    _last: int = -1

    def allocate(self, kind: Kind, size: int, alignment: int) -> Window:
        """A library's windows come in the order of `Kind`: an earlier kind means the next library."""
        order = list(Kind).index(kind)
        if order <= self._last:
            self.areas = {kind: [] for kind in Kind}
        self._last = order
        return super().allocate(kind, size, alignment)


@dataclass(frozen=True)
class PlacementConfiguration:
    """A way to place libraries."""

    name: str
    zones: Callable[[], Zones]
    joined: bool


CONFIGURATIONS = (
    PlacementConfiguration("scattered", ScatteredZones, joined=False),
    PlacementConfiguration("neighbours", Zones, joined=False),
    PlacementConfiguration("joined", Zones, joined=True),
)


async def bench_placement(settings: Settings, catalog: Catalog, names: Sequence[str], jobs: int, step: Progress) -> BenchReport:
    """Build and measure."""
    samples: dict[str, list[float]] = {}
    each = mapping_bytes()
    for configuration in CONFIGURATIONS:
        with tempfile.TemporaryDirectory(prefix="unishare-placement-") as folder:
            home = _home(Path(folder), settings)
            functions = _build(home, configuration, catalog, names, jobs, step)
            for unit, values in (await _measure(home, functions, each)).items():
                samples[f"{configuration.name} {unit}"] = values
            tables = [Manifest.read(function.image.manifest).page_tables for function in functions]
            samples[f"{configuration.name} KVM page tables"] = [table.pages for table in tables if table is not None]
    return BenchReport(
        bench="placement",
        environment=environment(tender="process", apps=list(names), mapping_bytes=each),
        rows=[Row.of(name, values, _unit(name)) for name, values in samples.items()],
        ratios={
            f"{above}/scattered {unit}": ratio(samples, f"{above} {unit}", f"scattered {unit}")
            for unit in ("mappings", "page tables", "both", "KVM page tables")
            for above in ("neighbours", "joined")
        },
    )


def _home(folder: Path, settings: Settings) -> Settings:
    """A home that shares only what was compiled and downloaded."""
    home = Settings(folder)
    for cache in (settings.objects, settings.sources):
        if not cache.is_dir():
            raise NotFoundError(f"{cache}: nothing was built in this home", "unishare build --all")
        (folder / cache.name).symlink_to(cache)
    return home


def _build(
    home: Settings, configuration: PlacementConfiguration, catalog: Catalog, names: Sequence[str], jobs: int, step: Progress
) -> list[Function]:
    pool = Pool.create(home.pool)
    functions = []
    with Builder(catalog, home, jobs, lambda *_: None, GlobalMap(home.global_map, configuration.zones)) as builder:
        for number, image in enumerate(builder.images(names, LAYOUT)):
            if not configuration.joined:
                read_facts(image.folder).model_copy(update={"inseparable": []}).write(image.folder)
            pool.add_image(image.folder)
            reference = ImageReference(image.name, image.folder / MANIFEST_NAME)
            functions.append(Function(image.name, reference, expectations(catalog.app(image.name))))
            step(f"placing {configuration.name}", number + 1, len(names))
    return functions


async def _measure(home: Settings, functions: Sequence[Function], each: int | None) -> dict[str, list[float]]:
    """One instance of each, after its answers; `both` is memory: mappings, as far as their size is known, and page tables."""
    found: dict[str, list[float]] = {"mappings": [], "page tables": [], "both": []}
    async with launcher.private(home) as (control, _pid):
        for function in functions:
            started = (await control.start(StartRequest(manifest=str(function.image.manifest), tender="process")))[0]
            for expectation in function.expectations:
                await expectation.check(control, started.instance, TIME_LIMIT_MS)
            space = read_address_space(started.pid)
            found["mappings"].append(space.mappings)
            found["page tables"].append(space.page_tables)
            found["both"].append(space.mappings * (each or 0) + space.page_tables)
    return found


def _unit(name: str) -> str:
    if name.endswith("mappings"):
        return "mappings"
    return "pages" if "KVM" in name else "bytes"
