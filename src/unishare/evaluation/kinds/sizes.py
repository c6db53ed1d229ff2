"""Sizes: bytes of each image under each layout, on disk, loaded, and added to the pool. Nothing runs, nothing is timed."""

from __future__ import annotations

from unishare.evaluation.run.context import Task
from unishare.evaluation.run.samples import Reading
from unishare.inspect.sizes import compare

FIELDS = ("file", "loaded", "holes", "added", "tables")


async def measure(task: Task) -> list[Reading]:
    """The catalogue's apps that the scenario lists, under the configuration's layout."""
    return [
        Reading(field, "bytes", getattr(row, field), subject=row.app)
        for row in compare(task.settings, task.scenario.apps)
        if row.layout == task.configuration.layout
        for field in FIELDS
    ]
