"""Start: milliseconds from asking a running launcher for an instance until its first answer is here, one after the other.

`cold`: the instance is started for this request. `wake`: it stood parked. Instances of earlier samples stay until their function's turn comes again,
so that the launcher holds a fleet as it does in use.
"""

from __future__ import annotations

import asyncio
import time

from unishare.evaluation.bench.measured_fleet import TIME_LIMIT_MS
from unishare.evaluation.run.context import Task
from unishare.evaluation.run.fleet import running_fleet
from unishare.evaluation.run.samples import Reading

PARKED_AFTER_S = 0.5


async def measure(task: Task) -> list[Reading]:
    """As many starts as the size has instances."""
    functions = task.functions()
    step = task.counter("start", task.size.instances)
    readings = []
    async with running_fleet(task.settings, task.configuration) as fleet:
        for number in range(task.size.instances + max(1, len(functions))):
            warm = number < max(1, len(functions))  # one of each: caches are filled, and it does not count
            function = functions[number % len(functions)] if functions else None
            began = time.perf_counter()
            started = await fleet.start(function)
            if function is None:
                await fleet.control.invoke(started.instance, b"", TIME_LIMIT_MS)
            else:
                await fleet.ask(started, function, examples=1)
            taken = (time.perf_counter() - began) * 1000
            if task.configuration.park and function is not None:
                await asyncio.sleep(PARKED_AFTER_S)
                began = time.perf_counter()
                await fleet.ask(started, function, examples=1)
                taken = (time.perf_counter() - began) * 1000
            if not warm:
                readings.append(
                    Reading(
                        "wake" if task.configuration.park else "first answer",
                        "ms",
                        taken,
                        subject=function.name if function else "",
                    )
                )
                readings.append(
                    Reading("ready", "ms", (started.start_us or 0) / 1000, subject=function.name if function else "")
                )
                step(1)
            await fleet.control.stop(started.instance)
    return readings
