"""A thousand requests leave what the first ones left: all apps of the catalogue, a function of every kind of the languages, and of a
population as many as have every kind of step."""

from __future__ import annotations

import asyncio
import operator
import os
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from integration import language_functions
from integration.conftest import build, second_home
from unishare.evaluation.bench.snapshot_copies import copy
from unishare.evaluation.population import write
from unishare.evaluation.population.pipeline import Draw, function
from unishare.fleet import launcher
from unishare.fleet.control import Control
from unishare.fleet.examples import Expectation, expectations
from unishare.fleet.messages import StartedInstance, StartRequest
from unishare.host.memory import kilobyte_fields
from unishare.pool import snapshots
from unishare.pool.store import Pool
from unishare.settings import Settings
from unishare.toolchain.recipes.catalog import Catalog

PAGE_KIB = 4
LAYOUTS = ("aligned", "aslr")
STATES = ("entry", "kept", "reset")
# A request takes three times as long under KVM as it is here, with shadow page tables.
REQUESTS = {"process": 1000, "kvm": 300}
# What comes once, in pages: a heap that grew for the first time is noted in data that was the snapshot's until then.
ONCE = {"entry": 0, "kept": 1, "reset": 0}
SEED, POPULATION = 1, 200
QUIET_MS = 50
# Several times what an instance waits until it gives memory back.
QUIET_S = 0.5
PATIENCE_S = 20.0

Start = tuple[StartRequest, tuple[Expectation, ...]]


def every_kind_of_step() -> list[str]:
    """Functions of the population that have them all; always the one with most that are missing."""
    functions = [function(SEED, number, Draw(SEED, number).code) for number in range(POPULATION)]
    kinds = {generated.name: {type(step) for step in generated.steps} for generated in functions}
    missing, found = set().union(*kinds.values()), []
    while missing:
        found.append(max(kinds, key=lambda name: len(kinds[name] & missing)))
        missing -= kinds[found[-1]]
    return found


class Fleet:
    """Images in a home of their own, and requests that start one instance of each."""

    def __init__(self, folder: Path) -> None:
        write.write(folder / "population", write.Population(seed=SEED, count=POPULATION), lambda *_: None)
        languages = folder / "languages"
        names = [
            name
            for language in language_functions.SCRIPTS
            for name in language_functions.write(languages, language, language_functions.kinds(language))
        ]
        self.catalog = Catalog([folder / "population", languages])
        self.names = [*names, *every_kind_of_step(), *(app.name for app in Catalog().apps() if app.example)]
        self.folder = folder
        self.settings = second_home(folder)
        build(self.settings, self.catalog, tuple(self.names), LAYOUTS)
        self.manifests = cache(self._manifests)

    def starts(self, tender: str, layout: str, state: str) -> list[Start]:
        """What to start, and to ask of it, by name."""
        return [
            (
                StartRequest(
                    manifest=str(manifest),
                    tender=tender,  # type: ignore[arg-type]
                    name=name,
                    snapshots=[str(file) for file in taken] or None,
                    reset=state == "reset",
                    quiet_ms=QUIET_MS,
                    park_ms=0,
                ),
                expectations(self.catalog.app(name)),
            )
            for name, (manifest, taken) in self.manifests(layout, state).items()
        ]

    def _manifests(self, layout: str, state: str) -> dict[str, tuple[Path, list[Path]]]:
        """By name the manifest, and its snapshot if the instance shall begin from one."""
        found = {name: self.settings.image_folder(layout, name) / "manifest.json" for name in self.names}
        if state == "entry":
            return {name: (manifest, []) for name, manifest in found.items()}
        pool, copies = Pool.open(self.settings.pool), self.folder / f"{layout}-{state}"
        copies.mkdir()
        for name, manifest in found.items():
            found[name] = copy(manifest, copies / name, "none" if state == "reset" else "kept")
        return {name: (manifest, snapshots.take(pool, manifest.parent, count=1)) for name, manifest in found.items()}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """All of them, built."""
    return Fleet(tmp_path_factory.mktemp("leaks"))


@pytest.mark.skipif(os.geteuid() != 0, reason="reading the memory of sandboxed instances is root's")
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_thousand_requests_leave_what_the_first_ones_left(fleet: Fleet, tender: str, layout: str, state: str) -> None:
    starts = fleet.starts(tender, layout, state)
    found = asyncio.run(pages_after(fleet.settings, starts, REQUESTS[tender], ONCE[state]))
    assert {name: (first, last) for name, (first, last) in found.items() if last > first + ONCE[state]} == {}


async def pages_after(settings: Settings, starts: Sequence[Start], requests: int, more: int) -> dict[str, tuple[int, int]]:
    """Pages of each instance's own when it is quiet after each of its examples, and after all requests."""
    async with launcher.private(settings) as (control, _):
        started = [await start(control, request) for request, _ in starts]
        fleet = list(zip(started, (examples for _, examples in starts), strict=True))
        await asyncio.gather(*(ask(control, instance, examples, len(examples)) for instance, examples in fleet))
        firsts = await settled(started)
        await asyncio.gather(*(ask(control, instance, examples, requests) for instance, examples in fleet))
        lasts = await settled(started, [first + more for first in firsts])
        return {instance.instance: (first, last) for instance, first, last in zip(started, firsts, lasts, strict=True)}


async def settled(instances: Sequence[StartedInstance], most: Sequence[int] | None = None) -> list[int]:
    """Pages of their own, once these stand still and, within patience, are no more than `most`."""
    deadline, before = time.monotonic() + PATIENCE_S, list[int]()
    while time.monotonic() < deadline:
        await asyncio.sleep(QUIET_S)
        now = [private_pages(instance) for instance in instances]
        if now == before and (most is None or all(map(operator.le, now, most))):
            break
        before = now
    return now


async def start(control: Control, request: StartRequest) -> StartedInstance:
    started = await control.start_with_warnings(request)
    assert started.warnings == []
    return started.instances[0]


async def ask(control: Control, started: StartedInstance, examples: Sequence[Expectation], requests: int) -> None:
    """Ask the examples in turn; each answer is compared."""
    for number in range(requests):
        await examples[number % len(examples)].check(control, started.instance, 60_000)


def private_pages(started: StartedInstance) -> int:
    """Pages of the instance's own: not those of the pool's files, even where only this instance has touched them so far."""
    return kilobyte_fields(Path(f"/proc/{started.pid}/smaps_rollup"))["Anonymous"] // 1024 // PAGE_KIB
