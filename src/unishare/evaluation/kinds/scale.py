"""Scale: memory against the number of instances, and against the number of different functions among as many instances."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from unishare.evaluation.bench.workload import Function
from unishare.evaluation.run.context import Task
from unishare.evaluation.run.fleet import Fleet, running_fleet
from unishare.evaluation.run.memory_readings import Before, PoolPages, refuse_impossible
from unishare.evaluation.run.samples import Reading
from unishare.evaluation.scenario import ScaleSize
from unishare.host.ksm import Merging
from unishare.host.memory import read_processes, settle

KSM_LIMIT_S = 240.0


async def measure(task: Task) -> list[Reading]:
    """A fleet that grows, then fleets of one size of ever more different functions."""
    assert isinstance(task.size, ScaleSize)
    functions = task.functions()
    step = task.counter("instances", task.size.instances)
    readings: list[Reading] = []
    with task.merging() as merging:
        before = Before.read()
        async with running_fleet(task.settings, task.configuration) as fleet:
            while (running := len(fleet.members)) < task.size.instances:
                await fleet.grow(functions, min(task.size.step, task.size.instances - running), step)
                readings.append(await _total(task, fleet, before, functions, merging, "instances", len(fleet.members)))
    for kinds in task.size.kinds if functions else []:
        readings.append(await _of_kinds(task, functions[:kinds]))
    return readings


async def _of_kinds(task: Task, functions: Sequence[Function]) -> Reading:
    assert isinstance(task.size, ScaleSize)
    with task.merging() as merging:
        before = Before.read()
        async with running_fleet(task.settings, task.configuration) as fleet:
            await fleet.grow(functions, task.size.mixed, task.counter(f"{len(functions)} functions", task.size.mixed))
            return await _total(task, fleet, before, functions, merging, "functions", len(functions))


async def _total(
    task: Task, fleet: Fleet, before: Before, functions: Sequence[Function], merging: Merging | None, measure: str, number: int
) -> Reading:
    await fleet.rest()
    if merging is not None:
        await asyncio.to_thread(merging.converge, KSM_LIMIT_S)
    used = functions[: len(fleet.members)]
    pool = PoolPages(task.settings, used, task.configuration)
    total = before.fall(settle()) + pool.in_use()
    refuse_impossible(total, read_processes([fleet.launcher_pid, *fleet.pids]).pss, number)
    return Reading(f"total by {measure}", "bytes", total, subject=str(number))
