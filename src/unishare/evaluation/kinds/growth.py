"""Growth: pages that are alone and pages that others have too, while more and more different unikernels start.

By content (what an ideal merger could share) and by frame (what is shared really), after each step, of instances that have answered. Zero pages
are counted apart: any merger gets those, however images are linked.
"""

from __future__ import annotations

import asyncio

from unishare.evaluation.run.context import Task
from unishare.evaluation.run.fleet import running_fleet
from unishare.evaluation.run.samples import Reading
from unishare.evaluation.scenario import StepSize
from unishare.host.frame_sharers import read_sharers
from unishare.host.page_contents import Contents


async def measure(task: Task) -> list[Reading]:
    """One fleet, growing."""
    assert isinstance(task.size, StepSize)
    functions = task.functions()
    step = task.counter("start", task.size.instances)
    contents = Contents()
    readings: list[Reading] = []
    async with running_fleet(task.settings, task.configuration) as fleet:
        while (running := len(fleet.members)) < task.size.instances:
            await fleet.grow(functions, min(task.size.step, task.size.instances - running), step)
            await fleet.rest()
            await asyncio.to_thread(_add, contents, fleet.pids[running:])
            sharers = await asyncio.to_thread(read_sharers, fleet.pids)
            values = {
                "unshared": contents.unshared,
                "shareable": contents.shareable,
                "distinct": contents.distinct,
                "zero": contents.zero,
                "frames private": sharers.private,
                "frames shared": sharers.shared,
                "mapped": sharers.mapped,
            }
            number = str(len(fleet.members))
            readings += [Reading(measure, "pages", value, subject=number) for measure, value in values.items()]
    return readings


def _add(contents: Contents, pids: list[int]) -> None:
    for pid in pids:
        contents.add(pid)
