"""`bench start --scale N`: does the price of a start grow with the fleet? Milliseconds of each of N starts, by place in it.

One launcher, one start request after another, all of one function; a sample is a request's time until its answer, which comes when
the instance waits for requests. Rows are tenths of the fleet, in order.

Thousands of processes that end at one moment can lock up Linux 6.18 (it frees their seccomp filters from one queue of work), so they
are ended in small parts with pauses, also when the benchmark is interrupted.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

from unishare.errors import HostLacksError, UnishareError
from unishare.evaluation.bench.report import BenchReport, Row, environment
from unishare.evaluation.bench.workload import Function
from unishare.fleet import launcher
from unishare.fleet.control import Control
from unishare.fleet.messages import StartRequest, Tender
from unishare.settings import Settings

PARTS = 10
# So many end at a time, and what the kernel gets to free what was theirs.
ENDED_AT_ONCE = 128
PAUSE_S = 0.5
# One descriptor of the launcher for each instance, and some for itself (monitor/src/launcher/host.rs).
SPARE_DESCRIPTORS = 24


async def bench_scale(
    settings: Settings, function: Function, tender: Tender, layout: str, count: int, progress: Callable[[str, int, int], None]
) -> BenchReport:
    """Start `count` instances one by one. Whether the host can hold them is for `check_host` to say before."""
    request = StartRequest(manifest=str(function.image.manifest), tender=tender, name=function.name)
    times: list[float] = []
    async with launcher.private(settings) as (control, _pid):
        started: list[str] = []
        try:
            for number in range(count):
                begun = time.perf_counter()
                (instance,) = await control.start(request)
                times.append((time.perf_counter() - begun) * 1000)
                if instance.state not in (None, "ready"):
                    raise UnishareError(f"{instance.instance} {instance.state} while it started")
                started.append(instance.instance)
                progress("starting", number + 1, count)
        finally:
            await end(control, started, progress)
    return report(times, {"tender": tender, "layout": layout, "instances": count, "function": function.name})


def check_host(count: int) -> None:
    """Name the limit that would be met, before anything starts."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and count + SPARE_DESCRIPTORS > hard:
        raise HostLacksError(
            f"the launcher may have {hard} file descriptors, too few for {count} instances; none was started",
            "start fewer, or raise the hard limit: 'ulimit -Hn'",
        )


async def end(control: Control, instances: Sequence[str], progress: Callable[[str, int, int], None]) -> None:
    """Stop instances, a part at a time."""
    ended = 0
    while ended < len(instances):
        part = instances[ended : ended + ENDED_AT_ONCE]
        await asyncio.gather(*(control.stop(instance) for instance in part))
        ended += len(part)
        progress("ending", ended, len(instances))
        await asyncio.sleep(PAUSE_S)


def report(times: Sequence[float], facts: dict[str, object]) -> BenchReport:
    """Tenths of the fleet, and the last one in relation to the first."""
    edges = [len(times) * part // PARTS for part in range(PARTS + 1)]
    rows = [Row.of(f"starts {first + 1} to {last}", times[first:last], "ms") for first, last in pairwise(edges) if first < last]
    return BenchReport(
        bench="start --scale",
        environment=environment(**facts),
        rows=rows,
        ratios={"last/first": rows[-1].median / rows[0].median},
    )
