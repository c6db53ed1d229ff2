"""`bench speed`: does the layout change how fast code runs?

One warm instance per app and layout. Its work is the app's long request (`[work]` of its recipe), measured in processor time of the
instance itself, so that neither our client nor other programs nor waiting count. A *slice* is that request some times over. In each
round every app's layouts get two slices each, in an order and then in its reverse (ABBA), so that a drift of the machine falls on
all. A round's value is the lower quartile of its requests, for what disturbs (another program on the core, a cold cache after it)
only ever adds; so a round gives one ratio per app and layout, of work done side by side. The figure is the geometric mean over apps
of the medians of these.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from unishare.evaluation.bench.report import BenchReport, Row, environment, geometric_mean
from unishare.evaluation.bench.workload import Function
from unishare.fleet import launcher
from unishare.fleet.control import Control
from unishare.fleet.examples import WrongAnswerError
from unishare.fleet.messages import StartRequest, Tender
from unishare.host.processor import processor_ns
from unishare.settings import Settings

BASELINE = "default"
OTHERS = ("dce", "aligned", "aslr")
MINIMUM_ROUNDS = 9
SLICE_US = 20_000
QUICK_SLICE_US = 5_000
REQUESTS_MIN, REQUESTS_MAX = 5, 100
TIME_LIMIT_MS = 60_000

# By app and layout, work per second of processor time, a value a round.
Samples = dict[tuple[str, str], list[float]]


@dataclass(frozen=True)
class Worker:
    """A running instance, and what it is asked."""

    instance: str
    pid: int
    request: bytes


async def bench_speed(
    settings: Settings,
    functions: Mapping[str, Sequence[Function]],
    tender: Tender,
    rounds: int,
    slice_us: int,
    progress: Callable[[str, int, int], None],
) -> BenchReport:
    """Measure; `functions` holds the same apps for each layout."""
    samples: Samples = {}
    layouts = list(functions)
    apps = [function.name for function in functions[BASELINE]]
    async with launcher.private(settings) as (control, _pid):
        workers = await _start(control, functions, tender)
        repeats = {app: await _calibrate(control, workers[app, BASELINE], slice_us) for app in apps}
        for number in range(rounds):
            turn = number % len(layouts)
            order = layouts[turn:] + layouts[:turn]
            for app in apps:
                taken: dict[str, list[int]] = {layout: [] for layout in layouts}
                for layout in [*order, *reversed(order)]:
                    taken[layout] += await _slice(control, workers[app, layout], repeats[app])
                for layout in layouts:
                    samples.setdefault((app, layout), []).append(1e9 / statistics.quantiles(taken[layout])[0])
            progress("speed", number + 1, rounds)
    return _report(samples, layouts, tender, rounds, slice_us)


async def _start(
    control: Control, functions: Mapping[str, Sequence[Function]], tender: Tender
) -> dict[tuple[str, str], Worker]:
    """Start everything and let it answer: examples as they should be, the long request the same under all layouts."""
    workers = {}
    answers: dict[str, bytes] = {}
    for layout, members in functions.items():
        for function in members:
            request = StartRequest(manifest=str(function.image.manifest), tender=tender, name=function.name)
            started = (await control.start(request))[0]
            for expectation in function.expectations:
                await expectation.check(control, started.instance, TIME_LIMIT_MS)
            reply = await control.invoke(started.instance, function.work, TIME_LIMIT_MS)
            if reply.status or answers.setdefault(function.name, reply.payload) != reply.payload:
                raise WrongAnswerError(
                    f"{function.name} under {layout}: the long request got status {reply.status} and {len(reply.payload)} bytes, "
                    f"under {BASELINE} {len(answers.get(function.name, b''))} bytes"
                )
            workers[function.name, layout] = Worker(started.instance, started.pid, function.work)
    return workers


async def _calibrate(control: Control, worker: Worker, slice_us: int) -> int:
    """How often the request is asked in a slice; the same for all layouts."""
    each = statistics.median(await _slice(control, worker, REQUESTS_MIN))
    return max(REQUESTS_MIN, min(REQUESTS_MAX, math.ceil(slice_us * 1000 / each)))


async def _slice(control: Control, worker: Worker, repeats: int) -> list[int]:
    """Nanoseconds of the processor that each of some requests takes."""
    taken = []
    before = processor_ns(worker.pid)
    for _ in range(repeats):
        await control.invoke(worker.instance, worker.request, TIME_LIMIT_MS)
        after = processor_ns(worker.pid)
        taken.append(max(1, after - before))
        before = after
    return taken


def _report(samples: Samples, layouts: Sequence[str], tender: Tender, rounds: int, slice_us: int) -> BenchReport:
    apps = sorted({app for app, _ in samples})
    rows = [Row.of(f"{app} {layout}", samples[app, layout], "work/s") for app in apps for layout in layouts]
    ratios = {}
    for layout in layouts:
        if layout == BASELINE:
            continue
        name = f"{layout}/{BASELINE}"
        paired = {
            app: [rate / baseline for rate, baseline in zip(samples[app, layout], samples[app, BASELINE], strict=True)]
            for app in apps
        }
        rows += [Row.of(f"{name} {app}", values, "ratio") for app, values in paired.items()]
        rows.append(Row.of(name, [geometric_mean([paired[app][number] for app in apps]) for number in range(rounds)], "ratio"))
        ratios[name] = geometric_mean([statistics.median(values) for values in paired.values()])
    facts = environment(tender=tender, rounds=rounds, slice_us=slice_us, apps=apps)
    return BenchReport(bench="speed", environment=facts, rows=rows, ratios=ratios)
