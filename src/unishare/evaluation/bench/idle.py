"""`bench idle`: what N different functions cost that were asked once and are left alone, by kind, above as many empty instances.

In: a population's images by layout. Each configuration is one fleet from nothing to nothing: start, ask every example, wait until the
instances have given back what they could, read. Functions of a population keep nothing, so those from a snapshot are reset after each
answer. Under KVM the pool's configurations are measured twice: with a machine each, and parked. `own` is anonymous memory and `page tables` those of the processes, both counted in them, and of virtual machines; `kernel` is what /proc/meminfo says that the fleet added otherwise. `total` is the fall of MemAvailable, plus the
pages of the pool that the fleet maps (host/memory.py says why): on a machine that does something else only the counted ones mean much.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from unishare.evaluation.bench.measured_fleet import MeasuredFleet
from unishare.evaluation.bench.report import BenchReport, Row, environment, ratio
from unishare.evaluation.bench.workload import Function
from unishare.evaluation.pool_runs import runs_of, runs_of_snapshots
from unishare.evaluation.run.preparation import take_snapshots
from unishare.fleet import launcher
from unishare.fleet.messages import Sharing, Tender
from unishare.host.kernel_memory import read_kernel_memory
from unishare.host.mappings import page_tables
from unishare.host.memory import kilobyte_fields, pool_in_use, settle
from unishare.settings import Settings


@dataclass(frozen=True)
class IdleConfiguration:
    """How one fleet is started. No layout: as many empty instances."""

    layout: str | None
    sharing: Sharing = "pool"
    from_snapshots: bool = False
    parked: bool = False

    @property
    def name(self) -> str:
        """As rows call it."""
        if self.layout is None:
            return "floor"
        return f"{self.layout} {self.sharing}{' snapshot' * self.from_snapshots}{' parked' * self.parked}"


FLOOR = IdleConfiguration(None)
# What stock monitors do with stock and with small images, aligned images without the pool, the pool, and its snapshots.
CONFIGURATIONS = (
    IdleConfiguration("default", "copy"),
    IdleConfiguration("dce", "copy"),
    IdleConfiguration("aligned", "copy"),
    IdleConfiguration("aligned"),
    IdleConfiguration("aligned", from_snapshots=True),
    IdleConfiguration("aslr"),
    IdleConfiguration("aslr", from_snapshots=True),
)
# 0: an instance keeps its machine; soon: it is parked when it is read.
KEEP_MACHINES_MS = 0
PARK_SOON_MS = 100
# Several times what an instance waits until it gives memory back.
QUIET_S = 1.0

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class IdleSample:
    """One idle fleet, in bytes."""

    total: int
    pool: int
    own: int
    page_tables: int
    kernel: int


async def bench_idle(
    settings: Settings, functions: Mapping[str, Sequence[Function]], tender: Tender, rounds: int, progress: Progress
) -> BenchReport:
    """Measure each configuration whose layout is among `functions`, and the floor; a wrong answer raises."""
    count = len(next(iter(functions.values())))
    fleets = [FLOOR, *configurations(functions, tender)]
    for layout in {fleet.layout for fleet in fleets if fleet.layout is not None and fleet.from_snapshots}:
        take_snapshots(settings, functions[layout], layout, progress)
    samples: dict[str, list[IdleSample]] = {}
    for number in range(rounds):
        turn = number % len(fleets)
        for fleet in fleets[turn:] + fleets[:turn]:
            members = functions[fleet.layout] if fleet.layout is not None else ()
            sample = await _fleet(settings, fleet, members, count, tender, progress)
            samples.setdefault(fleet.name, []).append(sample)
    return _report(samples, count, tender)


def configurations(layouts: Container[str], tender: Tender) -> list[IdleConfiguration]:
    """Those of these layouts. A machine can be given back under KVM only."""
    chosen = [configuration for configuration in CONFIGURATIONS if configuration.layout in layouts]
    if tender != "kvm":
        return chosen
    return chosen + [replace(configuration, parked=True) for configuration in chosen if configuration.sharing == "pool"]


async def _fleet(
    settings: Settings,
    configuration: IdleConfiguration,
    functions: Sequence[Function],
    count: int,
    tender: Tender,
    progress: Progress,
) -> IdleSample:
    done = 0

    def step(batch: int) -> None:
        nonlocal done
        done += batch
        progress(f"{tender} {configuration.name}", done, count)

    before, kernel_before = settle(), read_kernel_memory()
    async with launcher.private(settings) as (control, _):
        park_ms = PARK_SOON_MS if configuration.parked else KEEP_MACHINES_MS
        fleet = MeasuredFleet(control, tender, configuration.sharing, configuration.from_snapshots, park_ms)
        if functions:
            await fleet.start_mixed(functions, count, step)
            await fleet.ask_all(lambda _: None)
        else:
            await fleet.start_empty(count, step)
        await asyncio.sleep(QUIET_S)
        if configuration.parked:
            await fleet.all_parked()
        after, kernel = settle(), read_kernel_memory() - kernel_before
        pooled = [function.image.manifest for function in functions] if configuration.sharing == "pool" else []
        runs = runs_of(pooled) | runs_of_snapshots(pooled if configuration.from_snapshots else ())
        resident = pool_in_use(settings.pool, runs)
        own = sum(kilobyte_fields(Path(f"/proc/{pid}/smaps_rollup"))["Anonymous"] for pid in fleet.pids)
        tables = sum(page_tables(pid) for pid in fleet.pids)
    return IdleSample(
        total=before.available - after.available + resident,
        pool=resident,
        own=own,
        page_tables=tables + kernel.secondary_page_tables,
        kernel=kernel.slab + kernel.stacks + kernel.per_cpu + kernel.vmalloc,
    )


def _report(samples: Mapping[str, Sequence[IdleSample]], count: int, tender: Tender) -> BenchReport:
    floor = samples[FLOOR.name]
    rows, above = [], {}
    for name, fleets in samples.items():
        for kind in ("total", "pool", "own", "page_tables", "kernel"):
            values = [float(getattr(fleet, kind)) for fleet in fleets]
            rows.append(Row.of(f"{name}: {kind.replace('_', ' ')}", values, "bytes"))
        if name != FLOOR.name:
            values = [float(fleet.total - empty.total) for fleet, empty in zip(fleets, floor, strict=True)]
            without_pool = [(value - fleet.pool) / count for value, fleet in zip(values, fleets, strict=True)]
            counted = [
                float(fleet.own + fleet.page_tables - empty.own - empty.page_tables) / count
                for fleet, empty in zip(fleets, floor, strict=True)
            ]
            above[name] = values
            rows.append(Row.of(f"{name}: an instance above floor, the pool apart", without_pool, "bytes"))
            rows.append(Row.of(f"{name}: an instance's own and page tables above floor", counted, "bytes"))
    pooled = [name for name in above if " pool" in name]
    return BenchReport(
        bench="idle",
        environment=environment(tender=tender, instances=count, quiet_s=QUIET_S),
        rows=rows,
        ratios={f"{name}/{other}": ratio(above, name, other) for name in pooled for other in above if other not in pooled},
    )
