"""Instances that begin from snapshots, are reset, park and give memory back, on hosts with hardware virtualisation."""

from __future__ import annotations

import asyncio
import functools
import secrets
from collections.abc import Callable

import pytest

from hardware import snapshots
from hardware.virtual_machine import VirtualMachine
from unishare.fleet.control import Control
from unishare.fleet.examples import expectations
from unishare.fleet.messages import StartedInstance, StartRequest, Tender
from unishare.settings import Settings
from unishare.toolchain.recipes.catalog import Catalog

APPS = ("gzip", "json", "lua", "javascript", "mujs")
LAYOUTS = ("aligned", "aslr")
LIMIT_S = 30
TIMES = 3
SECRET = "/tmp/secret"
KIB = 1024
# Of what forgetful.c says of registers: MXCSR and the x87's, which C functions keep.
WORDS_OF_CONTROL = 1 << 3 | 1 << 5

Taken = Callable[[str, str], str]


@pytest.fixture(scope="module")
def taken(machine: VirtualMachine, images: Settings) -> Taken:
    """The snapshot of an image by layout and name, taken when it is first wanted."""
    return functools.cache(lambda layout, name: snapshots.take(machine, images.image_folder(layout, name)))


async def _start(
    control: Control, machine: VirtualMachine, taken: Taken, layout: str, name: str, **more: object
) -> StartedInstance:
    wanted = StartRequest(manifest=machine.manifest(layout, name), snapshots=[taken(layout, name)]).model_copy(update=more)
    started = await control.start_with_warnings(wanted)
    # Else it would have begun at its entry, and answered as well.
    assert started.warnings == []
    return started.instances[0]


async def _ask_examples(control: Control, machine: VirtualMachine, name: str, instance: str) -> None:
    for expectation in expectations(Catalog().app(name)):
        await expectation.check(control, instance, LIMIT_S * 1000 * machine.host.slowness)


@pytest.mark.parametrize("tender", ["kvm", "process"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", APPS)
def test_an_app_answers_from_its_snapshot(
    machine: VirtualMachine, taken: Taken, name: str, layout: str, tender: Tender
) -> None:
    async def act() -> None:
        async with machine.connect() as control:
            started = await _start(control, machine, taken, layout, name, tender=tender)
            await _ask_examples(control, machine, name, started.instance)
            await control.stop(started.instance)

    asyncio.run(act())


async def _ask_twice(
    machine: VirtualMachine, taken: Taken, layout: str, name: str, tender: Tender
) -> tuple[list[str], list[str], int]:
    """What it finds before and after a request, and how much of that request is in its memory while it waits."""
    secret = secrets.token_urlsafe(3000)
    machine.shell.write(SECRET, secret)
    async with machine.connect() as control:
        started = await _start(control, machine, taken, layout, name, tender=tender, reset=name == "forgetful")
        before = (await control.invoke(started.instance, b"")).payload.decode().split()
        await control.invoke(started.instance, secret.encode())
        # It resets itself after its answer is out.
        await asyncio.sleep(0.2 * machine.host.slowness)
        found = int(machine.shell.run(f"holds {started.pid} {SECRET}"))
        after = (await control.invoke(started.instance, b"")).payload.decode().split()
        await control.stop(started.instance)
    return before, after, found


@pytest.mark.parametrize("tender", ["kvm", "process"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_byte_of_a_request_is_there_in_the_next(machine: VirtualMachine, taken: Taken, layout: str, tender: Tender) -> None:
    before, after, found = asyncio.run(_ask_twice(machine, taken, layout, "forgetful", tender))
    assert before[:4] == after[:4] == ["0", "0", "0", "0"]
    assert found == 0
    # Its hook ran again.
    assert before[4] != after[4]


@pytest.mark.parametrize("tender", ["kvm", "process"])
def test_the_test_finds_what_a_function_keeps(machine: VirtualMachine, taken: Taken, tender: Tender) -> None:
    _, after, found = asyncio.run(_ask_twice(machine, taken, "aslr", "stateful", tender))
    assert after[1:4] == ["1", "1", "1"]
    assert found > 0


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["lua", "forgetful", "stateful"])
def test_one_from_a_snapshot_parks_and_wakes(machine: VirtualMachine, taken: Taken, layout: str, name: str) -> None:
    async def act() -> None:
        async with machine.connect() as control:
            started = await _start(control, machine, taken, layout, name, tender="kvm", quiet_ms=20, park_ms=20)
            expected = 0
            for _ in range(TIMES):
                async with asyncio.timeout(LIMIT_S * machine.host.slowness):
                    while (await control.list())[-1].state != "parked":
                        await asyncio.sleep(0.1)
                assert "kvm-v" not in machine.shell.run(f"cat /proc/{started.pid}/maps")
                if name == "lua":
                    await _ask_examples(control, machine, name, started.instance)
                    continue
                found = int((await control.invoke(started.instance, bytes(64))).payload.split()[0])
                assert found & WORDS_OF_CONTROL == expected
                expected = WORDS_OF_CONTROL if name == "stateful" else 0
            await control.stop(started.instance)

    asyncio.run(act())


@pytest.mark.parametrize("tender", ["kvm", "process"])
def test_what_a_large_request_left_goes_back(machine: VirtualMachine, taken: Taken, tender: Tender) -> None:
    async def act() -> None:
        async with machine.connect() as control:
            started = await _start(control, machine, taken, "aslr", "gzip", tender=tender)
            await control.invoke(started.instance, b"x")
            await asyncio.sleep(1)
            small = machine.anonymous(started.pid)
            await control.invoke(started.instance, secrets.token_bytes(64 * KIB), LIMIT_S * 1000 * machine.host.slowness)
            async with asyncio.timeout(LIMIT_S * machine.host.slowness):
                while machine.anonymous(started.pid) > small + 8 * KIB:
                    await asyncio.sleep(0.1)
            await control.stop(started.instance)

    asyncio.run(act())
