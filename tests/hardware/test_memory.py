"""What instances share, and how far a heap grows, on hosts with hardware virtualisation."""

from __future__ import annotations

import asyncio

import pytest

from hardware.virtual_machine import VirtualMachine
from unishare.fleet.control import Control
from unishare.fleet.messages import StartRequest

COUNT = 3
# Page tables that are an instance's own on a host whose processor walks them, and pages of data, stack and heap that lua writes.
TABLES_MAX = {"aligned": 8, "aslr": 8}


@pytest.mark.parametrize("layout", ["aligned", "aslr"])
def test_instances_share_frames(machine: VirtualMachine, layout: str) -> None:
    pids = asyncio.run(_start(machine, layout))
    frames = list(machine.frames(pids).values())
    shared = set.intersection(*(of_files for of_files, _ in frames))
    assert len(shared) > 50
    for of_files, anonymous in frames:
        assert len(of_files - shared) < 20
        assert not anonymous & shared
    for one, (_, anonymous) in enumerate(frames):
        assert all(not anonymous & other for _, other in frames[one + 1 :])


async def _start(machine: VirtualMachine, layout: str) -> list[int]:
    async with await Control.connect(machine.control) as control:
        started = await control.start(StartRequest(manifest=machine.manifest(layout, "lua"), tender="kvm", count=COUNT))
        for one in started:
            await control.invoke(one.instance, b"return 1")
        return [one.pid for one in started]
