"""What an evaluation needs built: functions of its populations and apps of the catalogue, under each layout that a configuration has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from unishare.evaluation.population.images import build_population, population_folder, write_population
from unishare.evaluation.run.context import jobs
from unishare.evaluation.run.plan import BUILD_S, PlannedPart
from unishare.evaluation.scenario import PeersScenario
from unishare.formats.image import MANIFEST_NAME
from unishare.settings import Settings

Step = Callable[[str, int, int], None]
ALL_LAYOUTS = ("default", "dce", "aligned", "aslr")


@dataclass
class Needs:
    """How many functions of a seed, and which apps, by layout."""

    functions: dict[tuple[int, str], int] = field(default_factory=dict)
    apps: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))

    def missing(self, settings: Settings) -> int:
        """About how many images are not built."""
        from unishare.evaluation.population.pipeline import name

        wanted = [(layout, name(seed, number)) for (seed, layout), count in self.functions.items() for number in range(count)]
        wanted += [(layout, app) for layout, apps in self.apps.items() for app in apps]
        return sum(not (settings.image_folder(layout, app) / MANIFEST_NAME).is_file() for layout, app in wanted)

    def seconds(self, settings: Settings) -> float:
        """About how long building takes."""
        return 15 + self.missing(settings) * BUILD_S


def needs(parts: Sequence[PlannedPart]) -> Needs:
    """What these parts run."""
    found = Needs()
    for part in parts:
        configurations = part.scenario.configuration if isinstance(part.scenario, PeersScenario) else [part.configuration]
        for configuration in configurations:
            layouts = ALL_LAYOUTS if part.scenario.kind == "speed" else (configuration.layout,)
            for layout in () if configuration.floor else layouts:
                if part.size.functions:
                    key = (part.scenario.seed, layout)
                    found.functions[key] = max(found.functions.get(key, 0), part.size.functions)
                else:
                    found.apps[layout].update(dict.fromkeys(part.scenario.apps))
    return found


def prepare(settings: Settings, needed: Needs, step: Step) -> None:
    """Build what is missing; what is there and unchanged is only looked at."""
    for layout, apps in needed.apps.items():
        build_population(settings, None, list(apps), layout, jobs(), step)
    for seed in sorted({seed for seed, _ in needed.functions}):
        most = max(count for (other, _), count in needed.functions.items() if other == seed)
        names = write_population(settings, seed, most, step)
        for (other, layout), count in needed.functions.items():
            if other == seed:
                build_population(settings, population_folder(settings, seed), names[:count], layout, jobs(), step)
