"""Memory over time: a fleet starts, answers requests as a public trace shapes them, and is left alone.

Curve: `total` of everything, about twice a second, unsettled. At the end of each phase every sampler, settled. KSM works from the start on and
is waited for at the end, so that its figure is the best that it can do.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence

from unishare.evaluation.bench.workload import Function
from unishare.evaluation.run.context import Task
from unishare.evaluation.run.fleet import Fleet, running_fleet
from unishare.evaluation.run.memory_readings import Before, PoolPages, fleet_readings, ksm_readings, total_now
from unishare.evaluation.run.samples import Reading
from unishare.evaluation.scenario import MemorySize
from unishare.evaluation.trace import draw_requests
from unishare.host import ksm
from unishare.host.kernel_thread import find_thread, thread_ns

# Of the curve: seconds between readings. One of the pool looks at thousands of files and drops what nobody maps of them, so it is also kept to a
# small part of the time.
EVERY_S = 0.5
PAUSES = 8
KSM_LIMIT_S = 240.0


async def measure(task: Task) -> list[Reading]:
    """One fleet, from nothing to nothing."""
    assert isinstance(task.size, MemorySize)
    functions = task.functions()
    pool = PoolPages(task.settings, functions, task.configuration)
    merger = find_thread("ksmd")
    worked = thread_ns(merger)
    readings: list[Reading] = []
    with task.merging() as merging:
        before = Before.read()
        async with running_fleet(task.settings, task.configuration) as fleet:
            async with curve(task, before, pool, readings) as began:
                await fleet.grow(functions, task.size.instances, task.counter("start", task.size.instances))
                readings.append(Reading("began", "s", time.monotonic() - began, "requests"))
                await requests(fleet, functions, task)
                readings.append(Reading("began", "s", time.monotonic() - began, "idle"))
                await asyncio.sleep(task.size.idle_s)
                readings.append(Reading("began", "s", time.monotonic() - began, "settled"))
                if merging is not None:
                    await asyncio.to_thread(merging.converge, KSM_LIMIT_S)
            readings += fleet_readings(fleet, before, pool, "end")
            readings.append(Reading("ksmd", "s", (thread_ns(merger) - worked) / 1e9, "end"))
    return readings


@contextlib.asynccontextmanager
async def curve(task: Task, before: Before, pool: PoolPages, readings: list[Reading]) -> AsyncIterator[float]:
    """Take readings now and then while the context is open; gives the moment at which it began."""
    began = time.monotonic()
    ending = asyncio.Event()

    async def watch() -> None:
        while not ending.is_set():
            asked = time.monotonic()
            total = await asyncio.to_thread(total_now, before, pool)
            now = time.monotonic() - began
            pause = max(EVERY_S, PAUSES * (time.monotonic() - asked))
            readings.append(Reading("total", "bytes", total, "curve", now))
            if task.configuration.sharing == "ksm":
                readings.extend(ksm_readings(ksm.read_counters(), "curve", now))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), pause)

    watching = asyncio.create_task(watch())
    try:
        yield began
    finally:
        ending.set()
        await watching


async def requests(fleet: Fleet, functions: Sequence[Function], task: Task) -> None:
    """Ask the fleet as the trace says: an instance answers one request at a time, and what comes late is asked late."""
    assert isinstance(task.size, MemorySize)
    if not functions:
        return  # Empty instances are asked nothing: time changes nothing about them.
    drawn = draw_requests(len(fleet.members), task.size.trace_s, task.seed)
    step = task.counter("requests", len(drawn))
    busy = [asyncio.Lock() for _ in fleet.members]
    began = time.monotonic()

    async def answer(number: int, times: int) -> None:
        started, function = fleet.members[number]
        async with busy[number]:
            if function is not None:
                for _ in range(times):
                    await fleet.ask(started, function, examples=1)
        step(1)

    async with asyncio.TaskGroup() as group:
        for request in drawn:
            await asyncio.sleep(max(0.0, began + request.at - time.monotonic()))
            group.create_task(answer(request.function, request.times))
    await asyncio.sleep(max(0.0, began + task.size.trace_s - time.monotonic()))
