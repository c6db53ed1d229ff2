"""What a kind of scenario is given to measure one part: the home, the part, its size, and how to say that it goes on."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from unishare.evaluation.bench.workload import Function
from unishare.evaluation.population.images import catalogue_functions, population_functions
from unishare.evaluation.scenario import Configuration, Scenario, Size
from unishare.host.ksm import Merging
from unishare.settings import Settings


@dataclass(frozen=True)
class Task:
    """One part to measure."""

    settings: Settings
    scenario: Scenario
    configuration: Configuration
    size: Size
    round: int
    progress: Callable[[str, int, int], None]

    @property
    def seed(self) -> int:
        """Of this round: rounds differ in when requests come, never in what runs."""
        return self.scenario.seed * 1000 + self.round

    def functions(self) -> list[Function]:
        """What the instances are of, under the configuration's layout; an empty list for the floor."""
        if self.configuration.floor:
            return []
        if self.size.functions:
            return population_functions(self.settings, self.scenario.seed, self.size.functions, self.configuration.layout)
        return catalogue_functions(self.settings, self.scenario.apps, self.configuration.layout)

    @contextlib.contextmanager
    def merging(self, *, at_once: bool = True) -> Iterator[Merging | None]:
        """KSM at work, where the configuration wants it; not `at_once`: it begins with `use`."""
        if self.configuration.sharing != "ksm":
            yield None
            return
        with Merging(self.configuration.ksm if at_once else None) as merging:
            yield merging

    def counter(self, what: str, total: int) -> Callable[[int], None]:
        """Counts what is done and says it."""
        done = 0

        def step(more: int) -> None:
            nonlocal done
            done += more
            self.progress(f"{self.scenario.scenario}: {self.configuration.title}: {what}", done, total)

        return step


def jobs() -> int:
    """Compilers at the same time."""
    return os.cpu_count() or 1
