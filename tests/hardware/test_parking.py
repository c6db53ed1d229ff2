"""Instances that give their virtual machine back while they wait, and get another when they are asked, on hosts with hardware virtualisation."""

from __future__ import annotations

import asyncio

import pytest

from hardware.virtual_machine import VirtualMachine
from unishare.fleet.control import Control
from unishare.fleet.examples import expectations
from unishare.fleet.messages import StartRequest
from unishare.toolchain.recipes.catalog import Catalog

APP = "lua"
LIMIT_S = 30
TIMES = 3


@pytest.mark.parametrize("layout", ["aligned", "aslr"])
def test_it_answers_as_before_after_it_was_parked(machine: VirtualMachine, layout: str) -> None:
    asyncio.run(_park_and_wake(machine, layout))


async def _park_and_wake(machine: VirtualMachine, layout: str) -> None:
    limit_s = LIMIT_S * machine.host.slowness
    async with machine.connect() as control:
        request = StartRequest(manifest=machine.manifest(layout, APP), tender="kvm", park_ms=50)
        (started,) = await control.start(request)
        for _ in range(TIMES):
            async with asyncio.timeout(limit_s):
                while await _state(control, started.instance) != "parked":
                    await asyncio.sleep(0.1)
            for expectation in expectations(Catalog().app(APP)):
                await expectation.check(control, started.instance, limit_s * 1000)
        await control.stop(started.instance)


async def _state(control: Control, instance: str) -> str:
    return next(row.state for row in await control.list() if row.instance == instance)
