"""`bench aslr`: what random addresses add to a start, and whether they are random.

Time: every app of the catalogue under `aligned` and `aslr` in turn, as whole monitor processes from exec to the first answer, and as
instances of one launcher from fork to ready. What is added is the difference of the two medians; the figure is the median app's.
Memory: private memory and page tables of instances that have answered (aslr_memory.py), and what `--gaps` costs (aslr_entropy.py).
Randomness: bases of many starts, drawn by the monitor as it draws them when it starts instances (evaluation/randomness.py).
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from unishare.evaluation.bench.aslr_entropy import entropy_rows
from unishare.evaluation.bench.aslr_memory import private_memory
from unishare.evaluation.bench.report import BenchReport, Row, environment, geometric_mean
from unishare.evaluation.bench.start import one_start, request_file
from unishare.evaluation.bench.workload import Function
from unishare.evaluation.draws import Draws, draw
from unishare.evaluation.randomness import low_bits_p, most_frequent_difference, repeated, smallest_of_many
from unishare.fleet import launcher
from unishare.fleet.control import Control
from unishare.fleet.messages import StartRequest, Tender
from unishare.settings import Settings

LAYOUTS = ("aligned", "aslr")
BASELINE, RANDOM = LAYOUTS
BITS = 8
ROUNDS = 15
QUICK_ROUNDS = 3
# Of each app and layout whose memory is read: it is the same for all of them but for where parts happen to lie.
INSTANCES = 10

# Milliseconds by (kind, app, layout).
Samples = dict[tuple[str, str, str], list[float]]
KINDS = ("start", "load")


def bench_aslr(
    settings: Settings,
    functions: Mapping[str, Sequence[Function]],
    tender: Tender,
    rounds: int,
    draws: int,
    seed: int | None,
    progress: Callable[[str, int, int], None],
) -> BenchReport:
    """Measure; `functions` holds the same apps for both layouts. The first of them is the one whose bases are drawn."""
    samples = asyncio.run(_times(settings, functions, tender, rounds, progress))
    memory = asyncio.run(private_memory(settings, functions, tender, INSTANCES, progress))
    first = functions[RANDOM][0]
    rows = [
        *_time_rows(samples),
        *memory,
        *_draw_rows(first.name, draw(settings, first.image.manifest, draws, seed)),
        *entropy_rows(settings, first.image.manifest, draws, seed),
    ]
    return BenchReport(
        bench="aslr",
        environment=environment(tender=tender, rounds=rounds, draws=draws, seed=seed, drawn=first.name),
        rows=rows,
        ratios={f"{kind} {RANDOM}/{BASELINE}": _ratio(samples, kind) for kind in KINDS},
    )


async def _times(
    settings: Settings,
    functions: Mapping[str, Sequence[Function]],
    tender: Tender,
    rounds: int,
    progress: Callable[[str, int, int], None],
) -> Samples:
    samples: Samples = {}
    with TemporaryDirectory(prefix="unishare-bench-") as folder:
        async with launcher.private(settings) as (control, _pid):
            requests = {baseline.name: request_file(Path(folder), baseline) for baseline in functions[BASELINE]}
            for number in range(rounds + 1):  # the first round warms caches and is thrown away
                layouts = LAYOUTS if number % 2 else LAYOUTS[::-1]
                for pair in zip(*(functions[layout] for layout in layouts), strict=True):
                    for layout, function in zip(layouts, pair, strict=True):
                        start = one_start(settings, function, tender, "pool", requests[function.name])
                        load = await _load(control, function, tender)
                        if number:
                            samples.setdefault(("start", function.name, layout), []).append(start)
                            samples.setdefault(("load", function.name, layout), []).append(load)
                progress("aslr", number, rounds)
    return samples


async def _load(control: Control, function: Function, tender: Tender) -> float:
    """Milliseconds from fork to ready under a launcher."""
    started = (await control.start(StartRequest(manifest=str(function.image.manifest), tender=tender)))[0]
    await control.stop(started.instance)
    return (started.start_us or 0) / 1000


def _time_rows(samples: Samples) -> list[Row]:
    rows = []
    for kind in KINDS:
        apps = sorted({app for sample_kind, app, _ in samples if sample_kind == kind})
        added = {app: _median(samples, kind, app, RANDOM) - _median(samples, kind, app, BASELINE) for app in apps}
        # Median over apps; lowest and highest are those of single apps.
        rows.append(Row.of(f"{kind}: added, of all apps", list(added.values()), "ms"))
        for app in apps:
            rows += [Row.of(f"{kind} {app} {layout}", samples[kind, app, layout], "ms") for layout in LAYOUTS]
    return rows


def _median(samples: Samples, kind: str, app: str, layout: str) -> float:
    return statistics.median(samples[kind, app, layout])


def _ratio(samples: Samples, kind: str) -> float:
    apps = sorted({app for sample_kind, app, _ in samples if sample_kind == kind})
    return geometric_mean([_median(samples, kind, app, RANDOM) / _median(samples, kind, app, BASELINE) for app in apps])


def _draw_rows(app: str, draws: Draws) -> list[Row]:
    p_values = low_bits_p(draws.bases, BITS)
    return [
        Row.of(f"p of the low {BITS} bits, {app}'s modules", p_values, "p"),
        Row.of("p of the least even module, for so many", [smallest_of_many(p_values)], "p"),
        Row.of("most frequent distance of two modules", [most_frequent_difference(draws.bases)], "share"),
        Row.of("starts with all bases of an earlier one", [repeated(draws.bases)], "starts"),
    ]
