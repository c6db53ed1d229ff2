"""What an instance costs on each kind of KVM, by kind of memory: the table of docs/hardware.md (`make hardware-costs`).

    python -m hardware.costs HOST...

A host is one of virtual_machine.py: HOSTS, or `here`, this machine's own KVM. On each, under both layouts, some tens of instances of
`hello` are started and asked, and what the kernel says before and after is compared. Unit: KiB an instance.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from hardware.kernel import kernel
from hardware.virtual_machine import HOSTS, missing_programs, virtual_machine
from unishare.fleet import launcher
from unishare.fleet.control import Control
from unishare.fleet.messages import StartRequest, Tender
from unishare.monitor_program import monitor_program
from unishare.settings import Settings

APP = "hello"
LAYOUTS = ("aligned", "aslr")
HERE = "here"
# How many: the virtual machine does nothing else, this machine may.
COUNT_THERE = 40
COUNT_HERE = 300
PAGE_KIB = 4
DRAWS = 2000
# An instance that is parked has no virtual machine.
NEVER_MS = 24 * 3600 * 1000
# What the kernel's counters settle in, in seconds.
SETTLE_S = 3
# Columns: a heading, and fields of /proc/meminfo whose growth is summed.
KINDS = {
    "anonymous pages": ("AnonPages",),
    "page tables": ("PageTables",),
    "tables of the virtual machine": ("SecPageTables",),
    "slab": ("Slab",),
    "stacks": ("KernelStack",),
    "per processor": ("Percpu",),
}
COLUMNS = ("in all", *KINDS, "other", "guest tables that are its own")


@dataclass(frozen=True)
class Place:
    """Where instances run: how to reach the launcher, an image's manifest there, and a file of its kernel's."""

    connect: Callable[[], AbstractAsyncContextManager[Control]]
    manifest: Callable[[str], str]
    read: Callable[[str], str]
    count: int


def main() -> None:
    """Print a table's row for each host, layout and tender."""
    hosts = sys.argv[1:] or [HERE, "amd-v"]
    # Else what is in temporary folders stays: a disc of a hundred megabytes for each host.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    home = Settings(Path(os.environ["UNISHARE_HOME"]).absolute())
    print("| KVM | layout, tender | " + " | ".join(COLUMNS) + " |")
    print("| --- " * (len(COLUMNS) + 2) + "|")
    for name in hosts:
        with _place(name, home) as place:
            for tender in get_args(Tender):
                for layout in LAYOUTS:
                    costs = asyncio.run(_measure(place, home, layout, tender))
                    cells = ("" if costs[column] is None else f"{costs[column]:.0f}" for column in COLUMNS)
                    print(f"| {name} | {layout}, {tender} | " + " | ".join(cells) + " |", flush=True)


@contextmanager
def _place(name: str, home: Settings) -> Iterator[Place]:
    if name == HERE:
        yield _here(home)
        return
    host = HOSTS[name]
    if (missing := missing_programs(host)) is not None:
        raise SystemExit(f"error: no {name} here: {missing}")
    stock = kernel(home.home / "hardware" / "kernel")
    manifests = [home.image_folder(layout, APP) / "manifest.json" for layout in LAYOUTS]
    with virtual_machine(host, stock, Path(monitor_program()), manifests, home.pool) as machine:
        yield Place(
            machine.connect,
            lambda layout: machine.manifest(layout, APP),
            lambda file: machine.shell.run(f"cat {file}"),
            COUNT_THERE,
        )


def _here(home: Settings) -> Place:
    @asynccontextmanager
    async def connect() -> AsyncIterator[Control]:
        async with launcher.private(home) as (control, _):
            yield control

    return Place(
        connect,
        lambda layout: str(home.image_folder(layout, APP) / "manifest.json"),
        lambda file: Path(file).read_text(),
        COUNT_HERE,
    )


async def _measure(place: Place, home: Settings, layout: str, tender: Tender) -> dict[str, float | None]:
    request = StartRequest(manifest=place.manifest(layout), tender=tender, count=1, park_ms=NEVER_MS)
    async with place.connect() as control:
        # What all instances of an image share is there from the first on.
        await _start(control, request)
        before = await _reading(place)
        pids = await _start(control, request.model_copy(update={"count": place.count}))
        after = await _reading(place)
        manifest = json.loads((home.image_folder(layout, APP) / "manifest.json").read_text())
        tables = _own_tables(place, home, manifest, layout, pids) if tender == "kvm" else None
        await control.stop_all()
    grown = {field: (after[field] - before[field]) / place.count for field in after if field in before}
    costs: dict[str, float | None] = {"in all": -grown["available"], "guest tables that are its own": tables}
    for column, fields in KINDS.items():
        costs[column] = sum(grown[field] for field in fields) if set(fields) <= grown.keys() else None
    costs["other"] = -grown["available"] - sum(cost for column in KINDS if (cost := costs[column]) is not None)
    return costs


async def _start(control: Control, request: StartRequest) -> list[int]:
    started = await control.start(request)
    assert all(one.state is None for one in started)
    for one in started:
        await control.invoke(one.instance, b"", 600_000)
    return [one.pid for one in started]


async def _reading(place: Place) -> dict[str, int]:
    """/proc/meminfo in KiB, and what is available with the free pages that processors keep for themselves."""
    await asyncio.sleep(SETTLE_S)
    fields = {name: int(kib) for name, kib in re.findall(r"^(\w+): +(\d+) kB", place.read("/proc/meminfo"), re.MULTILINE)}
    listed = re.findall(r"^ +count: +(\d+)$", place.read("/proc/zoneinfo"), re.MULTILINE)
    return {**fields, "available": fields["MemAvailable"] + PAGE_KIB * sum(map(int, listed))}


def _own_tables(place: Place, home: Settings, manifest: dict[str, object], layout: str, pids: list[int]) -> float:
    """KiB of guest page tables that an instance has for itself."""
    if layout == "aslr":
        # All tables of drawn addresses are the instance's own.
        file = home.image_folder(layout, APP) / "manifest.json"
        drawn = subprocess.run(
            [str(monitor_program()), "draw", str(file), "--pool", str(home.pool), "--count", str(DRAWS)],
            capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL,
        ).stdout  # fmt: skip
        counts = [int(line.rsplit("\t", 1)[1]) for line in drawn.splitlines()[1:]]
        return PAGE_KIB * sum(counts) / len(counts)
    tables = manifest["page_tables"]
    assert isinstance(tables, dict)
    mapping = re.compile(
        rf"^[0-9a-f]+-[0-9a-f]+ rw-p [^\n]*{tables['run']}[^\n]*\n(?:\w+: [^\n]*\n)*?Anonymous: +(\d+) kB", re.M
    )
    found = [sum(map(int, mapping.findall(place.read(f"/proc/{pid}/smaps")))) for pid in pids[:5]]
    return sum(found) / len(found)


if __name__ == "__main__":
    main()
