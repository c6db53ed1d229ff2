"""What an idle instance keeps: freed heap, dead stack and buffers go back to the host, also what a large request needed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from unishare.evaluation.bench.workload import Function, load_functions
from unishare.fleet import launcher
from unishare.fleet.control import Control
from unishare.fleet.messages import StartedInstance, StartRequest
from unishare.host.memory import kilobyte_fields
from unishare.settings import Settings

KIB = 1024
PATIENCE_S = 20.0
# Longer than an instance waits until it gives memory back.
QUIET_S = 0.5
ANSWERING = ("hello", "gzip", "json", "regex", "thumbnail", "zstd")


def with_launcher(settings: Settings, act: Callable[[Control], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with launcher.private(settings) as (control, _):
            return await act(control)

    return asyncio.run(run())


async def start(control: Control, function: Function, tender: str) -> StartedInstance:
    request = StartRequest(manifest=str(function.image.manifest), tender=tender, name=function.name)  # type: ignore[arg-type]
    return (await control.start(request))[0]


def private(started: StartedInstance) -> int:
    """Bytes of the instance's own: not those of the pool's files, even where only this instance has touched them so far."""
    return kilobyte_fields(Path(f"/proc/{started.pid}/smaps_rollup"))["Anonymous"]


async def settled(started: StartedInstance, most: int) -> int:
    """Private bytes once they are no more than `most`, or after long patience."""
    deadline = time.monotonic() + PATIENCE_S
    while (now := private(started)) > most and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    return now


async def ask(control: Control, started: StartedInstance, function: Function, times: int) -> None:
    for number in range(times):
        await function.expectations[number % len(function.expectations)].check(control, started.instance, 60_000)


@pytest.mark.parametrize("layout", ["aligned", "aslr"])
def test_what_requests_left_behind_goes_back_to_the_host(aslr_home: Settings, tender: str, layout: str) -> None:
    async def act(control: Control) -> None:
        for function in load_functions(aslr_home, ANSWERING, layout):
            started = await start(control, function, tender)
            ready = private(started)
            await ask(control, started, function, len(function.expectations))
            # Data that was touched for the first time, a page at each end of the C library's heap, one of the request's.
            most = ready + 24 * KIB
            assert await settled(started, most) <= most, function.name
            # It is as good as before.
            await ask(control, started, function, len(function.expectations))

    with_launcher(aslr_home, act)


def test_a_large_request_leaves_no_more_than_a_small_one(home: Settings, tender: str) -> None:
    async def act(control: Control) -> None:
        (function,) = load_functions(home, ("gzip",), "aligned")
        started = await start(control, function, tender)
        await ask(control, started, function, 1)
        await asyncio.sleep(QUIET_S)
        small = private(started)
        await control.invoke(started.instance, b"x" * (3 << 20), 60_000)
        assert await settled(started, small + 8 * KIB) <= small + 8 * KIB

    with_launcher(home, act)


@pytest.mark.kvm
@pytest.mark.parametrize("layout", ["aligned", "aslr"])
def test_a_parked_instance_has_no_machine_and_answers_as_before(aslr_home: Settings, layout: str) -> None:
    async def act(control: Control) -> None:
        for function in load_functions(aslr_home, ("gzip", "lua"), layout):
            request = StartRequest(manifest=str(function.image.manifest), tender="kvm", name=function.name, park_ms=50)
            (started,) = await control.start(request)
            for _ in range(3):
                await ask(control, started, function, len(function.expectations))
                assert await state_when(control, started, "parked") == "parked", function.name
                links = [link.readlink().name for link in Path(f"/proc/{started.pid}/fd").iterdir()]
                assert [name for name in links if "kvm-v" in name] == []
                assert "kvm-v" not in Path(f"/proc/{started.pid}/maps").read_text()

    with_launcher(aslr_home, act)


@pytest.mark.kvm
def test_parking_can_be_forbidden(home: Settings) -> None:
    async def act(control: Control) -> None:
        (function,) = load_functions(home, ("hello",), "aligned")
        request = StartRequest(manifest=str(function.image.manifest), tender="kvm", quiet_ms=20, park_ms=0)
        (started,) = await control.start(request)
        await asyncio.sleep(QUIET_S)
        assert (await control.list())[0].state == "ready"
        links = [link.readlink().name for link in Path(f"/proc/{started.pid}/fd").iterdir()]
        assert any("kvm-vm" in name for name in links)

    with_launcher(home, act)


async def state_when(control: Control, started: StartedInstance, wanted: str) -> str:
    """Its state, once it is what is wanted, or after long patience."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        (state,) = (found.state for found in await control.list() if found.instance == started.instance)
        if state == wanted or time.monotonic() > deadline:
            return state
        await asyncio.sleep(0.05)
