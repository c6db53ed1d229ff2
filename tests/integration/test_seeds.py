"""Every catalogue app at many different addresses: right answers, under both tenders."""

from __future__ import annotations

import asyncio

import pytest

from unishare.evaluation.bench.workload import Function, load_functions
from unishare.fleet import launcher
from unishare.fleet.messages import StartRequest
from unishare.formats.manifest import Manifest
from unishare.settings import Settings
from unishare.toolchain.recipes.catalog import Catalog

SMALL_PAGES = 250
SEEDS_OF_SMALL = 200
SEEDS_OF_OTHERS = 20
SEED = 20_000
LIMIT_MS = 60_000


def seeds_for(function: Function) -> int:
    pages = sum(one.pages for one in Manifest.read(function.image.manifest).extents)
    return SEEDS_OF_SMALL if pages <= SMALL_PAGES else SEEDS_OF_OTHERS


async def answers_at_many_addresses(settings: Settings, function: Function, tender: str) -> int:
    """Start instances of as many seeds, and ask each of them all examples; how many bases the app's own module had."""
    count = seeds_for(function)
    async with launcher.private(settings) as (control, _):
        request = StartRequest(
            manifest=str(function.image.manifest), tender="kvm" if tender == "kvm" else "process", count=count, seed=SEED
        )
        started = await control.start(request)
        assert len(started) == count
        seen = set()
        for one in started:
            for expectation in function.expectations:
                await expectation.check(control, one.instance, LIMIT_MS)
            seen.add((await control.bases(one.instance)).modules[0].base)
        return len(seen)


@pytest.mark.parametrize("app", Catalog().app_names())
def test_answers_do_not_depend_on_addresses(aslr_home: Settings, tender: str, app: str) -> None:
    function = load_functions(aslr_home, [app], "aslr")[0]
    different = asyncio.run(answers_at_many_addresses(aslr_home, function, tender))
    assert different > seeds_for(function) * 0.9
