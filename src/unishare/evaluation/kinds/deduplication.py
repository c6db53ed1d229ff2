"""The cost of deduplication: what finding equal pages takes while instances run, against doing it when images are stored.

KSM begins when the whole fleet stands; until it has converged memory is high: the burn-down curve, with ksmd's processor time along it. For the pool
the same is read without waiting. `start work`: processor seconds of launcher and instances until all have answered.
"""

from __future__ import annotations

import asyncio
import time

from unishare.evaluation.run.context import Task
from unishare.evaluation.run.fleet import running_fleet
from unishare.evaluation.run.memory_readings import Before, PoolPages, fleet_readings, total_now
from unishare.evaluation.run.samples import Reading
from unishare.evaluation.scenario import BurnSize
from unishare.host import ksm
from unishare.host.kernel_thread import find_thread, thread_ns
from unishare.host.ksm import Merging
from unishare.host.processor import processor_ns

# Of the curve: seconds between readings, and at least this share of the time so far.
EVERY_S = 0.1
EVERY_SHARE = 0.05


async def measure(task: Task) -> list[Reading]:
    """One fleet, merged while it stands."""
    assert isinstance(task.size, BurnSize)
    functions = task.functions()
    pool = PoolPages(task.settings, functions, task.configuration)
    with task.merging(at_once=False) as merging:
        before = Before.read()
        async with running_fleet(task.settings, task.configuration) as fleet:
            await fleet.grow(functions, task.size.instances, task.counter("start", task.size.instances))
            await fleet.rest()
            work = sum(processor_ns(pid) for pid in [fleet.launcher_pid, *fleet.pids]) / 1e9
            readings = [Reading("start work", "s", work), *fleet_readings(fleet, before, pool, "unmerged", frames=False)]
            if merging is not None:
                readings += await asyncio.to_thread(_burn_down, task, merging, before, pool)
            else:
                readings += _at_once(before, pool)
    return readings


def _burn_down(task: Task, merging: Merging, before: Before, pool: PoolPages) -> list[Reading]:
    """`converged after`: when KSM merged for the last time; the scans that only confirm it are not held against it."""
    assert isinstance(task.size, BurnSize)
    readings: list[Reading] = []
    merger = find_thread("ksmd")
    began, worked = time.monotonic(), thread_ns(merger)
    due, changed, last = 0.0, (0.0, 0.0), ksm.read_counters()

    def watch(counters: ksm.Counters) -> None:
        nonlocal due, changed, last
        now = time.monotonic() - began
        busy = (thread_ns(merger) - worked) / 1e9
        if (counters.shared, counters.saved) != (last.shared, last.saved):
            changed = now, busy
        last = counters
        if now < due:
            return
        due = now + max(EVERY_S, now * EVERY_SHARE)
        task.progress(f"deduplication: {task.configuration.title}: KSM", round(now), round(now) + 1)
        readings.append(Reading("total", "bytes", total_now(before, pool), "curve", now))
        readings.append(Reading("ksmd", "s", busy, "curve", now))
        readings.append(Reading("ksm saved", "pages", counters.saved, "curve", now))

    merging.use(task.configuration.ksm)
    watch(last)
    merging.converge(task.size.limit_s, watch)
    return [
        *readings,
        Reading("converged after", "s", changed[0], "end"),
        Reading("ksmd", "s", changed[1], "end"),
        # Its figure is taken while KSM still holds the merged pages; stopping it unmerges them.
        Reading("total merged", "bytes", total_now(before, pool), "end"),
        Reading("ksm metadata", "bytes", ksm.read_counters().metadata, "end"),
    ]


def _at_once(before: Before, pool: PoolPages) -> list[Reading]:
    """What is shared when it is mapped needs no curve: one point."""
    total = total_now(before, pool)
    return [
        Reading("total", "bytes", total, "curve"),
        Reading("converged after", "s", 0.0, "end"),
        Reading("ksmd", "s", 0.0, "end"),
        Reading("total merged", "bytes", total, "end"),
    ]
