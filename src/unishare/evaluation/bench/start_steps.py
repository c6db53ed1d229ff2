"""`bench start --steps`: where the time of one start, or of one wake, goes.

A launcher with a stopwatch says when it, its zygote and the instance reached each step; the client knows when it asked and when it
had its answer, on the same clock. A row is the time from the step before, in the order in which the steps are usually reached: what
runs side by side has the time of whoever was last.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

from unishare.evaluation.bench.launched import Case, in_turns
from unishare.evaluation.bench.report import BenchReport, Row, environment
from unishare.evaluation.bench.workload import Function
from unishare.fleet.control import Control
from unishare.fleet.messages import Tender
from unishare.settings import Settings

# Of an interpreter more than of a small program: both are shown.
STEPPED = ("hello", "lua")
# The client's own last step.
ARRIVED = "arrived"

# Steps of one start, each with microseconds since the client asked.
Course = list[tuple[str, float]]


async def bench_start_steps(
    settings: Settings,
    functions: Sequence[Function],
    tender: Tender,
    layout: str,
    rounds: int,
    progress: Callable[[str, int, int], None],
) -> BenchReport:
    """Follow each case `rounds` times."""
    courses = await in_turns(settings, functions, tender, rounds, _follow, progress, stopwatch=True)
    rows = [row for name, found in courses.items() for row in step_rows(name, found)]
    names = [function.name for function in functions]
    return BenchReport(
        bench="start --steps",
        environment=environment(tender=tender, layout=layout, rounds=rounds, functions=names),
        rows=rows,
        ratios={},
    )


async def _follow(control: Control, case: Case) -> Course:
    begun = time.monotonic_ns()
    instance = await case.ready(control)
    if case.parked:
        await control.steps()  # those of its start
        begun = time.monotonic_ns()
    await case.ask(control, instance)
    ended = time.monotonic_ns()
    reached = (await control.steps()).steps
    await control.stop(instance)
    return [(step, (at - begun) / 1000) for step, at in [*reached, (ARRIVED, ended)]]


def step_rows(case: str, courses: Sequence[Course]) -> list[Row]:
    """The time of each step, in the order of the medians of when they were reached, and of all."""
    reached: dict[str, list[float]] = {}
    taken: dict[str, list[float]] = {}
    for course in courses:
        before = 0.0
        for step, at in course:
            reached.setdefault(step, []).append(at)
            taken.setdefault(step, []).append(at - before)
            before = at
    order = sorted(reached, key=lambda step: statistics.median(reached[step]))
    rows = [Row.of(f"{case}: {step}", taken[step], "us") for step in order]
    return [*rows, Row.of(f"{case}: all", reached[ARRIVED], "us")]
