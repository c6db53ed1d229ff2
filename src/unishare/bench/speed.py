"""`bench speed`: does the layout change how fast code runs?

One warm instance per app and layout; each round lets every one of them do the same work, the layouts in turned order, and notes
work per second (requests over the time that the tender measured around them, so that our own client does not count). The figure
is the geometric mean over apps of the ratios of medians; `fastest` is that of each one's best sample, which others on the machine
disturb least.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from unishare.bench.report import Report, Row, environment, geometric_mean
from unishare.bench.workload import Function
from unishare.fleet import launcher
from unishare.fleet.control import Control
from unishare.fleet.messages import StartRequest, Tender
from unishare.settings import Settings

LAYOUTS = ("default", "dce", "aligned", "aslr")
BASELINE = "default"
MINIMUM_ROUNDS = 9
SAMPLE_US = 60_000
QUICK_SAMPLE_US = 15_000
REQUESTS_MAX = 400
TIME_LIMIT_MS = 60_000

Samples = dict[tuple[str, str], list[float]]


async def bench_speed(
    settings: Settings,
    functions: Mapping[str, Sequence[Function]],
    tender: Tender,
    rounds: int,
    sample_us: int,
    progress: Callable[[str, int, int], None],
) -> Report:
    """Measure; `functions` holds the same apps for each layout."""
    layouts = list(functions)
    samples: Samples = {}
    async with launcher.private(settings) as (control, _pid):
        running = await _start(control, functions, tender)
        repeats = {app: await _calibrate(control, running[app, BASELINE], sample_us) for app in _apps(functions)}
        for number in range(rounds):
            turn = number % len(layouts)
            for app in repeats:
                for layout in layouts[turn:] + layouts[:turn]:
                    rate = await _work_per_second(control, running[app, layout], repeats[app])
                    samples.setdefault((app, layout), []).append(rate)
            progress("speed", number + 1, rounds)
    return _report(samples, layouts, tender, rounds)


def _apps(functions: Mapping[str, Sequence[Function]]) -> list[str]:
    return [function.name for function in functions[BASELINE]]


async def _start(
    control: Control, functions: Mapping[str, Sequence[Function]], tender: Tender
) -> dict[tuple[str, str], tuple[str, Function]]:
    running = {}
    for layout, members in functions.items():
        for function in members:
            started = await control.start(
                StartRequest(manifest=str(function.image.manifest), tender=tender, name=function.name)
            )
            for expectation in function.expectations:
                await expectation.check(control, started[0].instance, TIME_LIMIT_MS)
            running[function.name, layout] = (started[0].instance, function)
    return running


async def _calibrate(control: Control, member: tuple[str, Function], sample_us: int) -> int:
    """How often the app's examples are repeated so that a sample is long enough; the same for all layouts."""
    await _spent_us(control, member, 3)
    return max(1, min(REQUESTS_MAX, math.ceil(sample_us / max(1, await _spent_us(control, member, 3) / 3))))


async def _work_per_second(control: Control, member: tuple[str, Function], repeats: int) -> float:
    requests = repeats * len(member[1].expectations)
    return requests * 1e6 / max(1, await _spent_us(control, member, repeats))


async def _spent_us(control: Control, member: tuple[str, Function], repeats: int) -> int:
    instance, function = member
    spent = 0
    for _ in range(repeats):
        for expectation in function.expectations:
            spent += (await control.invoke(instance, expectation.request, TIME_LIMIT_MS)).duration_us
    return spent


def _report(samples: Samples, layouts: Sequence[str], tender: Tender, rounds: int) -> Report:
    apps = sorted({app for app, _ in samples})
    rows = [Row.of(f"{app} {layout}", samples[app, layout], "work/s") for app in apps for layout in layouts]
    ratios = {}
    for layout in layouts:
        if layout == BASELINE:
            continue
        name = f"{layout}/{BASELINE}"
        by_round = [
            geometric_mean([samples[app, layout][number] / samples[app, BASELINE][number] for app in apps])
            for number in range(rounds)
        ]
        rows.append(Row.of(name, by_round, "ratio"))
        both = [(Row.of("", samples[app, layout], ""), Row.of("", samples[app, BASELINE], "")) for app in apps]
        ratios[name] = geometric_mean([one.median / other.median for one, other in both])
        ratios[f"{name} fastest"] = geometric_mean([one.max / other.max for one, other in both])
    return Report(bench="speed", environment=environment(tender=tender, rounds=rounds, apps=apps), rows=rows, ratios=ratios)
