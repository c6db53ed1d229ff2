"""`bench start --fleet N`: seconds until N instances of twenty different functions have started and answered.

The client asks a running launcher for all of them at once, a few instances a request, and asks each instance its first example as
soon as the request that it came from is answered. A wrong answer ends the benchmark. Each image was started once before, so the
launcher has verified it; functions begin from snapshots.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from unishare.errors import UnishareError
from unishare.evaluation.bench.measured_fleet import TIME_LIMIT_MS, in_equal_parts
from unishare.evaluation.bench.report import BenchReport, Row, environment
from unishare.evaluation.bench.scale import end
from unishare.evaluation.bench.snapshot_copies import Snapshotted, snapshotted
from unishare.evaluation.bench.workload import Function
from unishare.fleet import launcher
from unishare.fleet.control import Control
from unishare.fleet.messages import StartRequest, Tender
from unishare.settings import Settings

# Of every kind that the catalogue has, both languages among them.
MANY = (
    "bzip2", "checksum", "classify", "config", "fft", "flatten", "gzip", "hash", "hello", "http",
    "javascript", "json", "lua", "lz4", "markdown", "matrix", "qr", "regex", "sign", "sql",
)  # fmt: skip
# Instances a request: enough that the client is not the limit, few enough that answers come early.
BATCH = 10


@dataclass(frozen=True)
class Round:
    """Seconds from the first request until all were ready, and until all had answered."""

    ready: float
    answered: float


async def bench_many_starts(
    settings: Settings,
    functions: Sequence[Function],
    tender: Tender,
    layout: str,
    count: int,
    rounds: int,
    progress: Callable[[str, int, int], None],
) -> BenchReport:
    """Start and end `count` instances `rounds` times. Whether the host can hold them is for `scale.check_host` to say before."""
    found: list[Round] = []
    with snapshotted(settings, functions) as copies:
        async with launcher.private(settings) as (control, _pid):
            await _round(control, copies, tender, len(copies), progress)  # fills caches
            for number in range(rounds):
                found.append(await _round(control, copies, tender, count, progress))
                progress("rounds", number + 1, rounds)
    names = [function.name for function in functions]
    facts = {"tender": tender, "layout": layout, "instances": count, "rounds": rounds, "functions": names}
    return report(found, count, facts)


def requests(copies: Sequence[Snapshotted], tender: Tender, count: int) -> list[tuple[StartRequest, Function]]:
    """What starts `count` instances, the functions in equal parts and in turns, a batch a request."""
    return [
        (
            StartRequest(
                manifest=str(item.manifest), tender=tender, name=item.function.name, count=batch, snapshots=item.snapshots
            ),
            item.function,
        )
        for item, batch in in_equal_parts(copies, count, BATCH)
    ]


async def _round(
    control: Control, copies: Sequence[Snapshotted], tender: Tender, count: int, progress: Callable[[str, int, int], None]
) -> Round:
    names: list[str] = []

    async def start(request: StartRequest, function: Function) -> float:
        batch = await control.start(request)
        ready = time.perf_counter()
        names.extend(started.instance for started in batch)
        for started in batch:
            if started.state not in (None, "ready"):
                raise UnishareError(f"{started.instance} {started.state} while it started")
        async with asyncio.TaskGroup() as asking:
            for started in batch:
                asking.create_task(function.expectations[0].check(control, started.instance, TIME_LIMIT_MS))
        return ready

    wanted = requests(copies, tender, count)
    begun = time.perf_counter()
    try:
        async with asyncio.TaskGroup() as starting:
            tasks = [starting.create_task(start(request, function)) for request, function in wanted]
        answered = time.perf_counter()
    finally:
        await end(control, names, progress)
    return Round(max(task.result() for task in tasks) - begun, answered - begun)


def report(found: Sequence[Round], count: int, facts: dict[str, object]) -> BenchReport:
    """Seconds, and instances a second, over the rounds."""
    answered = [each.answered for each in found]
    return BenchReport(
        bench="start --fleet",
        environment=environment(**facts),
        rows=[
            Row.of("until all are ready", [each.ready for each in found], "s"),
            Row.of("until all have answered", answered, "s"),
            Row.of("starts and answers a second", [count / seconds for seconds in answered], "a second"),
        ],
        ratios={},
    )
