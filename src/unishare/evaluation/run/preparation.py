"""What an evaluation needs built: functions of its populations and apps of the catalogue, under each layout that a configuration has."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from unishare.evaluation.bench.workload import Function
from unishare.evaluation.population.images import (
    build_population,
    catalogue_functions,
    population_folder,
    population_functions,
    write_population,
)
from unishare.evaluation.population.pipeline import name
from unishare.evaluation.run.context import jobs
from unishare.evaluation.run.plan import BUILD_S, LOOK_S, OVERHEAD_S, SNAPSHOT_S, PlannedPart
from unishare.evaluation.run.product import lacks
from unishare.evaluation.scenario import PeersScenario
from unishare.formats.image import MANIFEST_NAME
from unishare.formats.snapshot import Snapshot, snapshots_of
from unishare.pool import snapshots
from unishare.pool.store import Pool
from unishare.settings import Settings

Step = Callable[[str, int, int], None]
ALL_LAYOUTS = ("default", "dce", "aligned", "aslr")


@dataclass
class NeededImages:
    """How many functions of a seed, and which apps, by layout."""

    functions: dict[tuple[int, str], int] = field(default_factory=dict)
    apps: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    snapshots: dict[tuple[int, str], int] = field(default_factory=dict)
    app_snapshots: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))

    def images(self) -> list[tuple[str, str]]:
        """Layout and name of each image."""
        return _names(self.functions, self.apps)

    def missing(self, settings: Settings) -> int:
        """About how many images are not built."""
        return sum(not (settings.image_folder(*image) / MANIFEST_NAME).is_file() for image in self.images())

    def seconds(self, settings: Settings) -> float:
        """About how long building takes, and looking at what is built."""
        starting = _names(self.snapshots, self.app_snapshots)
        untaken = sum(not snapshots_of(settings.image_folder(*image) / MANIFEST_NAME) for image in starting)
        return OVERHEAD_S + len(self.images()) * LOOK_S + self.missing(settings) * BUILD_S + untaken * SNAPSHOT_S


def _names(functions: Mapping[tuple[int, str], int], apps: Mapping[str, Iterable[str]]) -> list[tuple[str, str]]:
    wanted = [(layout, name(seed, number)) for (seed, layout), count in functions.items() for number in range(count)]
    return wanted + [(layout, app) for layout, names in apps.items() for app in names]


def needs(parts: Sequence[PlannedPart]) -> NeededImages:
    """What these parts run."""
    found = NeededImages()
    for part in parts:
        configurations = part.scenario.configuration if isinstance(part.scenario, PeersScenario) else [part.configuration]
        for configuration in configurations:
            layouts = ALL_LAYOUTS if part.scenario.kind == "speed" else (configuration.layout,)
            from_snapshot = configuration.start == "snapshot" and lacks(configuration) is None
            for layout in () if configuration.floor else layouts:
                key = (part.scenario.seed, layout)
                for counts, apps, wanted in (
                    (found.functions, found.apps, True),
                    (found.snapshots, found.app_snapshots, from_snapshot),
                ):
                    if wanted and part.size.functions:
                        counts[key] = max(counts.get(key, 0), part.size.functions)
                    elif wanted:
                        apps[layout].update(dict.fromkeys(part.scenario.apps))
    return found


def prepare(settings: Settings, needed: NeededImages, step: Step) -> None:
    """Build what is missing; what is there and unchanged is only looked at. Then snapshots, where a configuration starts from them."""
    for layout, apps in needed.apps.items():
        build_population(settings, None, list(apps), layout, jobs(), step)
        take_snapshots(settings, catalogue_functions(settings, list(needed.app_snapshots[layout]), layout), layout, step)
    for seed in sorted({seed for seed, _ in needed.functions}):
        most = max(count for (other, _), count in needed.functions.items() if other == seed)
        names = write_population(settings, seed, most, step)
        for (other, layout), count in needed.functions.items():
            if other == seed:
                build_population(settings, population_folder(settings, seed), names[:count], layout, jobs(), step)
                if starting := needed.snapshots.get((seed, layout), 0):
                    take_snapshots(settings, population_functions(settings, seed, starting, layout), layout, step)


def take_snapshots(settings: Settings, functions: Sequence[Function], layout: str, step: Step) -> None:
    """One for each image that has none of its present manifest: among different functions no two instances are of one draw anyway."""
    pool = Pool.open(settings.pool)

    def take_one(function: Function) -> None:
        image = function.image
        current = hashlib.sha256(image.manifest.read_bytes()).hexdigest()
        if not any(Snapshot.read(file).image == current for file in snapshots_of(image.manifest)):
            requests = [example.request for example in function.expectations]
            snapshots.take(pool, image.folder, count=1, requests=requests)

    with ThreadPoolExecutor(jobs()) as threads:
        for number, _ in enumerate(threads.map(take_one, functions)):
            step(f"snapshots of {layout}", number + 1, len(functions))
