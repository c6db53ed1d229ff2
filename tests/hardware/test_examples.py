"""Every app of the catalogue answers its examples on hosts with hardware virtualisation, under both tenders."""

from __future__ import annotations

import asyncio

import pytest

from hardware.virtual_machine import VirtualMachine
from unishare.fleet.control import Control
from unishare.fleet.examples import expectations
from unishare.fleet.messages import StartRequest, Tender
from unishare.toolchain.recipes.catalog import Catalog

LIMIT_MS = 60_000


@pytest.mark.parametrize("layout", ["aligned", "aslr"])
@pytest.mark.parametrize("app", Catalog().app_names())
def test_examples_are_answered(machine: VirtualMachine, app: str, layout: str) -> None:
    asyncio.run(_ask(machine, app, layout, "kvm"))
    if machine.host.slowness == 1:
        asyncio.run(_ask(machine, app, layout, "process"))


async def _ask(machine: VirtualMachine, app: str, layout: str, tender: Tender) -> None:
    limit = LIMIT_MS * machine.host.slowness
    async with await Control.connect(machine.control) as control:
        (started,) = await control.start(StartRequest(manifest=machine.manifest(layout, app), tender=tender))
        assert started.state is None, f"{started.state}: is this machine too busy for an emulator?"
        for expectation in expectations(Catalog().app(app)):
            await expectation.check(control, started.instance, limit)
        await control.stop(started.instance)
