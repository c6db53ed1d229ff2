"""Which parts an evaluation has, in which order, and about how long each takes.

All first rounds come before all second ones, so that a run that has no more time has measured everything at least once; within a scenario the
configurations take turns in beginning a round. Estimates are of a machine of 2 cores with nothing else to do; a finished run corrects them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unishare.evaluation.run.samples import PartName
from unishare.evaluation.scenario import (
    BurnSize,
    Configuration,
    MemorySize,
    PeersScenario,
    ScaleSize,
    Scenario,
    Size,
    SizeName,
    WorkSize,
)

# Seconds, measured with a thousand instances: to start, ask, read and end one; to read its pages too; to start and end one alone.
EACH_S = {"process": 0.014, "kvm": 0.024}
CONTENTS_S = 0.018
START_S = {"process": 0.004, "kvm": 0.009}
# To build one function that was not built; to look at one that is; to take a snapshot.
BUILD_S = 0.075
LOOK_S = 0.008
SNAPSHOT_S = 0.04
# For KSM to converge on one instance; for what stood still before and after a part.
KSM_EACH_S = {"aggressive": 0.01, "published": 0.3}
OVERHEAD_S = 1.5
STATIC_S = 2.0
# To start an app under each layout, and the slices of each: two a layout, of at least five requests of about a millisecond.
SPEED_APP_S = 0.3
SPEED_SLICES, SPEED_SLICE_S = 8, 0.005
PEER_S = 8.0


@dataclass(frozen=True)
class PlannedPart:
    """One part, not measured yet. `order`: the configuration's place in its scenario."""

    scenario: Scenario
    configuration: Configuration
    size: Size
    round: int
    order: int

    @property
    def name(self) -> PartName:
        """What its files are named by."""
        return PartName(self.scenario.scenario, self.configuration.title, self.round)

    def fingerprint(self, programs: str) -> str:
        """Changes with whatever changes the readings."""
        scenario = self.scenario.model_dump(exclude={"full", "quick", "tiny", "configuration", "title", "question"})
        parts = [scenario, self.configuration.model_dump(), self.size.model_dump(exclude={"rounds"}), self.round, programs]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]

    def seconds(self) -> float:
        """About how long it takes."""
        size, each = self.size, EACH_S[self.configuration.tender]
        merging = KSM_EACH_S[self.configuration.ksm] if self.configuration.sharing == "ksm" else 0.0
        fleet = OVERHEAD_S + size.instances * each
        match self.scenario.kind, size:
            case (("sizes" | "libraries"), _):
                return STATIC_S
            case "speed", WorkSize():
                slices = SPEED_SLICES * max(SPEED_SLICE_S, size.requests / 1e6)
                return OVERHEAD_S + len(self.scenario.apps) * (SPEED_APP_S + slices)
            case "peers", _:
                assert isinstance(self.scenario, PeersScenario)
                return PEER_S * len(self.scenario.peers) + fleet * len(self.scenario.configuration)
            case "start", _:
                return OVERHEAD_S + size.instances * START_S[self.configuration.tender]
            case "growth", _:
                return fleet + size.instances * CONTENTS_S
            case _, MemorySize():
                asked = 0.0 if self.configuration.floor else size.trace_s
                return fleet + asked + size.idle_s + size.instances * merging
            case _, ScaleSize():
                steps = -(-size.instances // size.step)
                mixed = 0 if self.configuration.floor else len(size.kinds)
                grown = fleet + steps * (2 + size.instances / 2 * merging)
                return grown + mixed * (OVERHEAD_S + size.mixed * (each + merging))
            case _, BurnSize():
                return fleet + min(size.limit_s, size.instances * merging)
            case _, WorkSize():
                return fleet + size.seconds
            case _:
                return fleet


def size_of(scenario: Scenario, name: SizeName, instances: int | None = None) -> Size:
    """A scenario's size; fewer instances, and then no more functions than these, where a smaller number was asked for."""
    size: Size = getattr(scenario, name)
    if instances is None or size.instances <= instances:
        return size
    smaller: dict[str, object] = {"instances": instances, "functions": min(size.functions, instances)}
    if isinstance(size, ScaleSize):
        smaller |= {"mixed": min(size.mixed, instances), "kinds": sorted({min(kinds, instances) for kinds in size.kinds})}
    return size.model_copy(update=smaller)


def plan(scenarios: Sequence[Scenario], name: SizeName, instances: int | None = None) -> list[PlannedPart]:
    """All parts in the order in which they are measured."""
    parts = [part for scenario in scenarios for part in _parts(scenario, size_of(scenario, name, instances))]
    return sorted(parts, key=lambda part: part.round)


def seconds(parts: Iterable[PlannedPart]) -> float:
    """About how long parts take together."""
    return sum(part.seconds() for part in parts)


def _parts(scenario: Scenario, size: Size) -> list[PlannedPart]:
    configurations = scenario.configuration
    if isinstance(scenario, PeersScenario):
        configurations = [Configuration(name="all")]
    numbered = list(enumerate(configurations))
    parts = []
    for number in range(size.rounds):
        turn = number % max(1, len(numbered))
        parts += [
            PlannedPart(scenario, configuration, size, number + 1, order)
            for order, configuration in numbered[turn:] + numbered[:turn]
            if number < (configuration.repeat or size.rounds)
        ]
    return parts
