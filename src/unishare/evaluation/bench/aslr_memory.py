"""What address randomisation costs each instance in memory: the same apps under `aligned` and `aslr`, side by side in one run.

A row is an app's private memory: its anonymous pages and its memory files' (PSS of smaps_rollup: pages that it shares with its parent
count in part) and the page tables of its address space (VmPTE). Under the KVM tender the guest's page tables are among the former.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from unishare.evaluation.bench.measured_fleet import MeasuredFleet
from unishare.evaluation.bench.report import Row
from unishare.evaluation.bench.workload import Function
from unishare.fleet import launcher
from unishare.fleet.messages import Tender
from unishare.host.mappings import page_tables
from unishare.host.memory import kilobyte_fields
from unishare.settings import Settings

ADDED = " aslr adds"
Progress = Callable[[str, int, int], None]


async def private_memory(
    settings: Settings, functions: Mapping[str, Sequence[Function]], tender: Tender, count: int, progress: Progress
) -> list[Row]:
    """For each app a row a layout and one of the difference, in bytes; `functions` holds the same apps for each layout.

    All instances run and have answered when they are read, so that every app pays for what it really touches.
    """
    apps = [function.name for function in next(iter(functions.values()))]
    rows: list[Row] = []
    async with launcher.private(settings) as (control, _pid):
        for number, app in enumerate(apps):
            progress("private memory", number, len(apps))
            samples: dict[str, list[float]] = {}
            for layout, members in functions.items():
                fleet = MeasuredFleet(control, tender, "pool")
                await fleet.start_mixed([function for function in members if function.name == app], count, lambda _: None)
                await fleet.ask_all(lambda _: None)
                samples[layout] = [_private(pid) for pid in fleet.pids]
                await control.stop_all()
            rows += _rows(app, samples)
    progress("private memory", len(apps), len(apps))
    added = [row.median for row in rows if row.configuration.endswith(ADDED)]
    # Median over apps; lowest and highest are those of single apps.
    return [Row.of("private: added, of all apps", added, "bytes"), *rows]


def _rows(app: str, samples: Mapping[str, list[float]]) -> list[Row]:
    rows = [Row.of(f"{app} {layout} private", values, "bytes") for layout, values in samples.items()]
    middle = statistics.median(samples["aligned"])
    return [*rows, Row.of(f"{app}{ADDED}", [value - middle for value in samples["aslr"]], "bytes")]


def _private(pid: int) -> float:
    memory = kilobyte_fields(Path(f"/proc/{pid}/smaps_rollup"))
    return memory["Pss_Anon"] + memory["Pss_Shmem"] + page_tables(pid)
