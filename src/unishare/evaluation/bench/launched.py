"""`bench start --launched`: milliseconds from asking a running launcher for an instance until its first answer is here and checked.

`cold`: from the image's entry. `snapshot`: from one of its snapshots. `parked` (KVM): of an instance that is there but has given its
virtual machine back. All cases take turns; an instance ends before the next one is started.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from unishare.evaluation.bench.measured_fleet import TIME_LIMIT_MS, until_parked
from unishare.evaluation.bench.report import BenchReport, Row, environment
from unishare.evaluation.bench.snapshot_copies import Snapshotted, snapshotted
from unishare.evaluation.bench.workload import FUNCTIONS, Function
from unishare.fleet import launcher
from unishare.fleet.control import Control
from unishare.fleet.messages import StartRequest, Tender
from unishare.settings import Settings

# The six of the demonstration, and the other language.
LAUNCHED = (*FUNCTIONS, "javascript")
EMPTY = "empty"
# Rounds that fill caches and do not count.
WARMING = 3
# As soon as it waits: who measures a wake need not wait long for the parking.
PARK_MS = 1
PARK_LIMIT_S = 10.0

T = TypeVar("T")


@dataclass(frozen=True)
class Case:
    """What is started, and whether it is parked before its request is timed. No function: an empty instance."""

    name: str
    request: StartRequest
    function: Function | None = None
    parked: bool = False

    async def ready(self, control: Control) -> str:
        """A started instance; where this case says so, asked once and parked."""
        (started,) = await control.start(self.request)
        if self.parked:
            await self.ask(control, started.instance)
            await until_parked(control, {started.instance}, PARK_LIMIT_S)
        return started.instance

    async def ask(self, control: Control, instance: str) -> None:
        """One request, and its answer compared."""
        if self.function is None or not self.function.expectations:
            await control.invoke(instance, b"", TIME_LIMIT_MS)
        else:
            await self.function.expectations[0].check(control, instance, TIME_LIMIT_MS)


def cases(copies: Sequence[Snapshotted], tender: Tender) -> list[Case]:
    """An empty instance, and all that functions can begin from."""
    found = [Case(EMPTY, StartRequest(empty=True, tender=tender))]
    for item in copies:
        name = item.function.name
        cold = StartRequest(manifest=str(item.manifest), tender=tender, name=name)
        begun = cold.model_copy(update={"snapshots": item.snapshots})
        found += [Case(f"cold {name}", cold, item.function), Case(f"snapshot {name}", begun, item.function)]
        if tender == "kvm":
            parking = begun.model_copy(update={"quiet_ms": PARK_MS, "park_ms": PARK_MS})
            found.append(Case(f"parked {name}", parking, item.function, parked=True))
    return found


async def in_turns(
    settings: Settings,
    functions: Sequence[Function],
    tender: Tender,
    rounds: int,
    measure: Callable[[Control, Case], Awaitable[T]],
    progress: Callable[[str, int, int], None],
    *,
    stopwatch: bool = False,
) -> dict[str, list[T]]:
    """What `measure` finds of every case in each round, under one launcher, the functions' images with snapshots of their own."""
    with snapshotted(settings, functions) as copies:
        all_cases = cases(copies, tender)
        found: dict[str, list[T]] = {case.name: [] for case in all_cases}
        async with launcher.private(settings, stopwatch=stopwatch) as (control, _pid):
            for number in range(-WARMING, rounds):
                for case in all_cases:
                    taken = await measure(control, case)
                    if number >= 0:
                        found[case.name].append(taken)
                progress("start", max(number, 0), rounds)
    return found


async def bench_launched(
    settings: Settings,
    functions: Sequence[Function],
    tender: Tender,
    layout: str,
    rounds: int,
    progress: Callable[[str, int, int], None],
) -> BenchReport:
    """Measure each case `rounds` times."""
    samples = await in_turns(settings, functions, tender, rounds, _first_answer, progress)
    names = [function.name for function in functions]
    return report(samples, {"tender": tender, "layout": layout, "rounds": rounds, "functions": names})


async def _first_answer(control: Control, case: Case) -> float:
    """Milliseconds of one start and request; of the request alone where the instance is parked before."""
    begun = time.perf_counter()
    instance = await case.ready(control)
    if case.parked:
        begun = time.perf_counter()
    await case.ask(control, instance)
    taken = (time.perf_counter() - begun) * 1000
    await control.stop(instance)
    return taken


def report(samples: Mapping[str, Sequence[float]], facts: dict[str, object]) -> BenchReport:
    """The cases, and how far above an empty instance the medians are, in milliseconds."""
    floor = statistics.median(samples[EMPTY])
    above = {name: statistics.median(times) - floor for name, times in samples.items() if name.startswith("snapshot ")}
    ratios = {f"{name}, ms above empty": value for name, value in above.items()}
    return BenchReport(
        bench="start --launched",
        environment=environment(**facts),
        rows=[Row.of(name, times, "ms") for name, times in samples.items()],
        ratios={**ratios, "snapshot of the median app, ms above empty": statistics.median(above.values())},
    )
