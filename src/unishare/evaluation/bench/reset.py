"""`bench reset`: what returning to the snapshot after each answer costs.

For each app, two instances of one snapshot: one keeps its state, one is reset after each answer (a copy of the image that says
`state = "none"`, whatever the app says). Both get the same request, back to back, in turns; the instance resets itself before it takes
the next request, so the difference of two round trips is the reset, with the faults on pages that it dropped.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from unishare.evaluation.bench.report import BenchReport, Row, environment
from unishare.evaluation.bench.snapshot_copies import State, copy
from unishare.evaluation.bench.workload import Function
from unishare.fleet import launcher
from unishare.fleet.messages import StartRequest, Tender
from unishare.pool import snapshots
from unishare.pool.store import Pool
from unishare.settings import Settings

# Requests to one instance before it is the other's turn.
TURN = 25


def bench_reset(
    settings: Settings,
    functions: Sequence[Function],
    tender: Tender,
    layout: str,
    rounds: int,
    progress: Callable[[str, int, int], None],
) -> BenchReport:
    """Measure `rounds` turns of each function."""
    rows, added = [], []
    for number, function in enumerate(functions):
        without_reset, reset = asyncio.run(_round_trips(settings, function, tender, rounds))
        added.append(statistics.median(reset) - statistics.median(without_reset))
        rows += [Row.of(f"kept {function.name}", without_reset, "us"), Row.of(f"reset {function.name}", reset, "us")]
        progress("reset", number, len(functions))
    rows.append(Row.of("added by a reset, by app", added, "us"))
    return BenchReport(
        bench="reset",
        environment=environment(
            tender=tender, layout=layout, rounds=rounds, functions=[function.name for function in functions]
        ),
        rows=rows,
        ratios={"median app's reset, us": statistics.median(added)},
    )


async def _round_trips(settings: Settings, function: Function, tender: Tender, rounds: int) -> tuple[list[float], list[float]]:
    """Microseconds of each request to an instance that keeps its state, and to one that is reset."""
    request = function.expectations[0].request if function.expectations else b""
    settings.run.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.run, prefix="bench-reset-") as folder:
        states: tuple[State, ...] = ("kept", "none")
        manifests = {state: copy(function.image.manifest, Path(folder) / state, state) for state in states}
        pool = Pool.open(settings.pool)
        found: dict[str, list[float]] = {state: [] for state in manifests}
        async with launcher.private(settings) as (control, _):
            instances = {}
            for state, manifest in manifests.items():
                taken = snapshots.take(pool, manifest.parent, count=1, requests=[request])
                wanted = StartRequest(
                    manifest=str(manifest), tender=tender, snapshots=[str(file) for file in taken], reset=state == "none"
                )
                instances[state] = (await control.start(wanted))[0].instance
            for turn in range(rounds + 1):  # the first one warms up and is thrown away
                for state, instance in instances.items():
                    for _ in range(TURN):
                        begun = time.perf_counter()
                        await control.invoke(instance, request)
                        found[state] += [(time.perf_counter() - begun) * 1e6] if turn else []
        return found["kept"], found["none"]
