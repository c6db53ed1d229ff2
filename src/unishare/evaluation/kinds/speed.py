"""Speed: does placing libraries cost time? `bench speed`'s method (bench/speed.py), a round a part: all layouts take turns within it.

A reading is work per second of an instance's own processor time, of one app under one layout.
"""

from __future__ import annotations

from unishare.evaluation.bench.speed import OTHERS, bench_speed
from unishare.evaluation.population.images import catalogue_functions
from unishare.evaluation.run.context import Task
from unishare.evaluation.run.samples import Reading
from unishare.evaluation.scenario import WorkSize

BASELINE = "default"


async def measure(task: Task) -> list[Reading]:
    """One round over the scenario's apps; `requests` is the slice in microseconds."""
    assert isinstance(task.size, WorkSize)
    layouts = (BASELINE, *OTHERS)
    functions = {layout: catalogue_functions(task.settings, task.scenario.apps, layout) for layout in layouts}
    report = await bench_speed(
        task.settings, functions, task.configuration.tender, 1, task.size.requests,
        lambda _, done, total: task.progress(f"speed: {task.configuration.title}", done, total),
    )  # fmt: skip
    rows = {row.configuration: row for row in report.rows}
    return [
        Reading(f"work {layout}", "work/s", rows[f"{app} {layout}"].median, subject=app)
        for app in task.scenario.apps
        for layout in layouts
    ] + [Reading(f"ratio {name}", "ratio", value) for name, value in report.ratios.items()]
