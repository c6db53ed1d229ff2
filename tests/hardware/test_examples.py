"""Every app of the catalogue answers its examples on hosts with hardware virtualisation, under both tenders."""

from __future__ import annotations

import asyncio

import pytest

from hardware.virtual_machine import VirtualMachine
from unishare.fleet.examples import expectations
from unishare.fleet.messages import StartRequest, Tender
from unishare.toolchain.recipes.catalog import Catalog

LIMIT_MS = 60_000


@pytest.mark.parametrize("tender", ["kvm", "process"])
@pytest.mark.parametrize("layout", ["aligned", "aslr"])
@pytest.mark.parametrize("app", Catalog().app_names())
def test_examples_are_answered(machine: VirtualMachine, app: str, layout: str, tender: Tender) -> None:
    asyncio.run(_ask(machine, app, layout, tender))


async def _ask(machine: VirtualMachine, app: str, layout: str, tender: Tender) -> None:
    limit = LIMIT_MS * machine.host.slowness
    async with machine.connect() as control:
        (started,) = await control.start(StartRequest(manifest=machine.manifest(layout, app), tender=tender))
        assert started.state is None, f"{started.state}: is this machine too busy for an emulator?"
        for expectation in expectations(Catalog().app(app)):
            await expectation.check(control, started.instance, limit)
        await control.stop(started.instance)
