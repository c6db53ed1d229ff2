"""What instances share, and how far a heap grows, on hosts with hardware virtualisation."""

from __future__ import annotations

import asyncio

import pytest

from hardware.virtual_machine import VirtualMachine
from unishare.fleet.messages import StartRequest

COUNT = 3
# Pages that an instance of lua has for itself: its tables, data, stack and heap, and what its tender writes. It has read some 300.
OWN_MAX = 80
MIB = 1 << 20
# Of a heap that the C library cannot hand out in pieces of 64 KiB: its bookkeeping, and the last piece.
LOST_KIB = 1024


@pytest.mark.parametrize("layout", ["aligned", "aslr"])
def test_instances_share_frames(machine: VirtualMachine, layout: str) -> None:
    pids = asyncio.run(_start(machine, layout))
    frames = list(machine.frames(pids).values())
    shared = set.intersection(*(of_files for of_files, _ in frames))
    assert len(shared) > 50
    # What one has mapped and another has not is in the same files: a fault maps what is around it and in memory already.
    assert len(set.union(*(of_files for of_files, _ in frames))) < 1.5 * len(shared)
    assert all(0 < len(own) < OWN_MAX for _, own in frames)


async def _start(machine: VirtualMachine, layout: str) -> list[int]:
    async with machine.connect() as control:
        started = await control.start(StartRequest(manifest=machine.manifest(layout, "lua"), tender="kvm", count=COUNT))
        for one in started:
            await control.invoke(one.instance, b"return 1")
        return [one.pid for one in started]


@pytest.mark.parametrize("memory", [None, 48 * MIB])
@pytest.mark.parametrize("layout", ["aligned", "aslr"])
def test_a_heap_grows_to_its_limit_and_no_further(machine: VirtualMachine, layout: str, memory: int | None) -> None:
    asyncio.run(_grow(machine, layout, memory))


async def _grow(machine: VirtualMachine, layout: str, memory: int | None) -> None:
    limit = machine.host.slowness * 30_000
    heap_kib = (memory or 16 * MIB) >> 10
    async with machine.connect() as control:
        request = StartRequest(manifest=machine.manifest(layout, "growing"), tender="kvm", memory=memory)
        (started,) = await control.start(request)
        before = len(machine.frames([started.pid])[started.pid][1])
        small = await control.invoke(started.instance, b"1", limit)
        assert small.payload == b"1024"
        all_else = int((await control.invoke(started.instance, b"1000", limit)).payload)
        assert heap_kib - LOST_KIB <= 1024 + all_else <= heap_kib
        grown = len(machine.frames([started.pid])[started.pid][1]) - before
        assert grown * 4 >= 1024 + all_else
        assert (await control.invoke(started.instance, b"1", limit)).payload == b"0"
        await control.stop(started.instance)
