"""`bench memory`: what N mixed instances cost with and without sharing, beside the floor that no sharing can remove.

Each round runs `floor` (empty VMs or processes), `copy` and `pool`, in turned order, each from nothing: reading before,
start N, ask all, reading after. Then some more are started, for what *one more* costs. A total is MemAvailable's fall plus, for
`pool`, the resident pages of the runs in use (host/memory.py says why). PSS, of instances and launcher, is the second opinion.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from unishare.errors import UnishareError
from unishare.evaluation.bench.measured_fleet import MeasuredFleet
from unishare.evaluation.bench.report import BenchReport, Row, environment, ratio
from unishare.evaluation.bench.workload import Function
from unishare.evaluation.pool_runs import runs_of
from unishare.fleet import launcher
from unishare.fleet.messages import Sharing, Tender
from unishare.host.memory import pool_in_use, read_processes, settle
from unishare.settings import Settings

Configuration = Literal["floor", "copy", "pool"]
CONFIGURATIONS: tuple[Configuration, ...] = ("floor", "copy", "pool")

# How often a reading that cannot be true is taken again.
TRIES = 3

# (what is going on, how many instances that is, how many there will be)
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class MemorySample:
    """One fleet, measured. Bytes; `one_more` is None when no reading of it could be true."""

    total: int
    pss: int
    resident: int
    one_more: float | None
    start_ms: float
    answers: int


def bench_memory_rounds(quick: bool) -> int:
    """How often everything is repeated."""
    return 1 if quick else 3


async def bench_memory(
    settings: Settings,
    functions: Sequence[Function],
    tender: Tender,
    layout: str,
    count: int,
    rounds: int,
    progress: Progress,
) -> BenchReport:
    """Measure; raises when an answer is wrong."""
    samples: dict[Configuration, list[MemorySample]] = {name: [] for name in CONFIGURATIONS}
    for number in range(rounds):
        turn = number % len(CONFIGURATIONS)
        for configuration in CONFIGURATIONS[turn:] + CONFIGURATIONS[:turn]:

            async def measure(name: Configuration = configuration) -> MemorySample:
                return await measure_fleet(settings, functions, tender, name, count, progress)

            samples[configuration].append(await credible(f"{tender} {configuration}", measure))
    facts = {"tender": tender, "layout": layout, "instances": count, "functions": [function.name for function in functions]}
    return _report(samples, count, facts)


async def measure_fleet(
    settings: Settings,
    functions: Sequence[Function],
    tender: Tender,
    configuration: Configuration,
    count: int,
    progress: Progress,
) -> MemorySample:
    """One fleet from nothing to nothing."""
    sharing: Sharing = "pool" if configuration == "pool" else "copy"
    extra = extra_instances(count, len(functions))
    label = f"{tender} {configuration}"
    done = 0

    def step(batch: int) -> None:
        nonlocal done
        done += batch
        progress(label, done, count + extra)

    before = settle()
    async with launcher.private(settings) as (control, launcher_pid):
        fleet = MeasuredFleet(control, tender, sharing)

        async def grow(by: int) -> int:
            first = len(fleet.members)
            if configuration == "floor":
                await fleet.start_empty(by, step)
                return 0
            await fleet.start_mixed(functions, by, step)
            return await fleet.ask_all(lambda _: None, first)

        answers = await grow(count)
        full = settle()
        resident = (
            pool_in_use(settings.pool, runs_of(function.image.manifest for function in functions))
            if configuration == "pool"
            else 0
        )
        pss = read_processes([launcher_pid, *fleet.pids]).pss
        answers += await grow(extra)
        more = settle()
        start_ms = fleet.median_start_ms()
    return MemorySample(
        total=before.available - full.available + resident,
        pss=pss,
        resident=resident,
        one_more=(full.available - more.available) / extra,
        start_ms=start_ms,
        answers=answers,
    )


async def credible(
    name: str,
    measure: Callable[[], Awaitable[MemorySample]],
    floor: MemorySample | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> MemorySample:
    """A sample that can be true. Readings are of the whole host: other work beside it gives or takes memory, and then it is measured
    again, which `tell` is told. `floor`: a fleet that costs the same or less. The cost of one more, a difference of few instances,
    is left out when it alone is never credible. Raises when no total was."""
    for attempt in range(TRIES):
        sample = await measure()
        why_not_total = _why_untrue(sample, floor)
        why = why_not_total or _why_untrue_one_more(sample)
        if why is None:
            return sample
        if attempt + 1 == TRIES and why_not_total is None:
            tell(f"{name}: {why}, {TRIES} times: what one more costs is left out")
            return replace(sample, one_more=None)
        tell(f"{name}: {why}: other work on this machine took or gave memory meanwhile; it is measured again")
    raise UnishareError(
        f"{name}: {why}, {TRIES} times: memory cannot be measured beside what else this machine does",
        "Measure when it is quiet, or more instances: -n 1000.",
    )


def _why_untrue(sample: MemorySample, floor: MemorySample | None) -> str | None:
    if sample.total <= 0:
        return f"instances seem to have cost {sample.total} bytes"
    if floor is not None and sample.total < floor.total:
        return f"functions seem to have cost {floor.total - sample.total} bytes less than instances that do nothing"
    return None


def _why_untrue_one_more(sample: MemorySample) -> str | None:
    if sample.one_more is not None and sample.one_more < 0:
        return f"one more instance seems to have cost {sample.one_more:.0f} bytes"
    return None


def extra_instances(count: int, kinds: int) -> int:
    """How many more are started for the cost of one more: a tenth, in equal parts, enough to rise above the noise."""
    return max(10, count // (10 * kinds)) * kinds


def _report(samples: dict[Configuration, list[MemorySample]], count: int, facts: dict[str, Any]) -> BenchReport:
    totals: dict[str, list[float]] = {name: [float(sample.total) for sample in samples[name]] for name in CONFIGURATIONS}
    more = {name: [sample.one_more for sample in samples[name]] for name in CONFIGURATIONS}
    pss: dict[str, list[float]] = {f"{name} PSS": [float(sample.pss) for sample in samples[name]] for name in CONFIGURATIONS}
    above: dict[str, list[float]] = {}
    above_more: dict[str, list[float]] = {}
    for name in ("copy", "pool"):
        above[f"{name} above floor"] = [total - floor for total, floor in zip(totals[name], totals["floor"], strict=True)]
        differences = [
            added - floor
            for added, floor in zip(more[name], more["floor"], strict=True)
            if added is not None and floor is not None
        ]
        if differences:
            above_more[f"{name} one more above floor"] = differences
    each = {f"{name} per instance": [value / count for value in values] for name, values in {**totals, **above}.items()}
    byte_samples: dict[str, list[float]] = {**totals, **above, **each, **above_more, **pss}
    byte_samples["pool's resident pages"] = [float(sample.resident) for sample in samples["pool"]]
    rows = [Row.of(name, values, "bytes") for name, values in byte_samples.items()]
    rows += [Row.of(f"{name} start", [sample.start_ms for sample in samples[name]], "ms") for name in CONFIGURATIONS]
    return BenchReport(
        bench="memory",
        environment=environment(
            **facts, right_answers={name: sum(sample.answers for sample in samples[name]) for name in ("copy", "pool")}
        ),
        rows=rows,
        ratios={
            "pool/copy": ratio(totals, "pool", "copy"),
            "pool/copy above floor": ratio(above, "pool above floor", "copy above floor"),
            "pool/copy PSS": ratio(pss, "pool PSS", "copy PSS"),
        },
    )
