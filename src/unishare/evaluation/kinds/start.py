"""Start: milliseconds from asking a running launcher for an instance until its first answer is here, one after the other.

`first answer`: the instance is started for this request. `empty first answer`: the same of an empty instance, once in each turn of the functions,
so that both find caches alike. `wake`: it stood parked, beside others that do. An instance ends before the next one is started.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from unishare.evaluation.bench.measured_fleet import TIME_LIMIT_MS
from unishare.evaluation.bench.workload import Function
from unishare.evaluation.run.context import Task
from unishare.evaluation.run.fleet import Fleet, running_fleet
from unishare.evaluation.run.samples import Reading
from unishare.fleet.messages import StartedInstance

# Longer than a configuration with `park` leaves an instance idle before it gives its machine back (run/product.py).
PARKED_AFTER_S = 0.6
PARKED_AT_ONCE = 60
# Turns that fill caches and do not count.
WARMING = 1


async def measure(task: Task) -> list[Reading]:
    """As many starts as the size has instances, the functions in turns, as many of each."""
    functions: Sequence[Function | None] = task.functions() or [None]
    turns = math.ceil(task.size.instances / len(functions))
    step = task.counter("start", turns * len(functions))
    async with running_fleet(task.settings, task.configuration) as fleet:
        if task.configuration.park:
            return await _wakes(fleet, functions, turns, step)
        return await _starts(fleet, functions, turns, step)


async def _starts(fleet: Fleet, functions: Sequence[Function | None], turns: int, step: Callable[[int], None]) -> list[Reading]:
    readings: list[Reading] = []
    for turn in range(-WARMING, turns):
        taken = []
        if not fleet.configuration.floor:
            first_answer, _ready = await _start(fleet, None)
            taken.append(replace(first_answer, measure="empty first answer"))
        for function in functions:
            taken += await _start(fleet, function)
        if turn >= 0:
            readings += taken
            step(len(functions))
    return readings


async def _start(fleet: Fleet, function: Function | None) -> list[Reading]:
    began = time.perf_counter()
    started = await fleet.start(function)
    await _ask(fleet, started, function)
    readings = _readings("first answer", began, started, function)
    await fleet.control.stop(started.instance)
    return readings


async def _wakes(fleet: Fleet, functions: Sequence[Function | None], turns: int, step: Callable[[int], None]) -> list[Reading]:
    readings: list[Reading] = []
    wanted = [function for _ in range(-WARMING, turns) for function in functions]
    for first in range(0, len(wanted), PARKED_AT_ONCE):
        members = wanted[first : first + PARKED_AT_ONCE]
        readings += await _woken(fleet, members)
        step(len(members))
    return readings[2 * WARMING * len(functions) :]


async def _woken(fleet: Fleet, functions: Sequence[Function | None]) -> list[Reading]:
    """All are started and asked; when they are parked, each is asked once more."""
    members = [(await fleet.start(function), function) for function in functions]
    for started, function in members:
        await _ask(fleet, started, function)
    await asyncio.sleep(PARKED_AFTER_S)
    readings = []
    for started, function in members:
        began = time.perf_counter()
        await _ask(fleet, started, function)
        readings += _readings("wake", began, started, function)
    for started, _ in members:
        await fleet.control.stop(started.instance)
    return readings


async def _ask(fleet: Fleet, started: StartedInstance, function: Function | None) -> None:
    if function is None:
        await fleet.control.invoke(started.instance, b"", TIME_LIMIT_MS)
    else:
        await fleet.ask(started, function, examples=1)


def _readings(measure: str, began: float, started: StartedInstance, function: Function | None) -> list[Reading]:
    taken = (time.perf_counter() - began) * 1000
    name = function.name if function else ""
    return [
        Reading(measure, "ms", taken, subject=name),
        Reading("ready", "ms", (started.start_us or 0) / 1000, subject=name),
    ]
