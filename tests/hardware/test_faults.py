"""What guests do that they may not is told in the same words on every KVM: this machine's, and emulated AMD-V and VT-x."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from hardware.guests import GUESTS, PROTECTION
from hardware.virtual_machine import VirtualMachine
from unishare.fleet import launcher
from unishare.fleet.control import Control
from unishare.fleet.crash import explain
from unishare.fleet.messages import Instance, StartRequest
from unishare.host.doctor import kvm_problem
from unishare.settings import Settings

CASES = [(name, way, layout) for name, guest in GUESTS.items() for layout in guest.layouts for way in guest.ways]
SEED = 7
WENT_ON = "went on"
# Only the gate of #BP is open to ring 3, for `int3`.
EVERY_INTERRUPT = {vector: "breakpoint" if vector == 3 else PROTECTION for vector in range(256)}


@pytest.mark.kvm
@pytest.mark.parametrize(("name", "way", "layout"), CASES)
def test_it_is_told_here(guests: Settings, name: str, way: str, layout: str) -> None:
    report, code = asyncio.run(_here(guests, name, way, layout))
    assert GUESTS[name].says in report
    assert code == GUESTS[name].code


@pytest.mark.parametrize(("name", "way", "layout"), CASES)
def test_it_is_told_there(
    request: pytest.FixtureRequest, machine: VirtualMachine, guests: Settings, name: str, way: str, layout: str
) -> None:
    if (departure := machine.host.departures.get(name)) is not None:
        request.applymarker(pytest.mark.xfail(reason=departure, strict=True))
    there, code = asyncio.run(_there(machine, guests, name, way, layout))
    assert GUESTS[name].says in there
    assert code == GUESTS[name].code
    if GUESTS[name].alike and kvm_problem() is None:
        here, _ = asyncio.run(_here(guests, name, way, layout))
        assert _steady(there) == _steady(here)


@pytest.mark.kvm
def test_every_interrupt_is_told_here(guests: Settings) -> None:
    async def told() -> dict[int, str]:
        async with launcher.private(guests) as (control, _):
            image = _manifest(guests, "interrupts", "aslr")
            return await _interrupts(control, str(image), image)

    # A paravirtual KVM goes on behind some of them, as behind an instruction that does nothing.
    wrong = {vector: said for vector, said in asyncio.run(told()).items() if said not in (EVERY_INTERRUPT[vector], WENT_ON)}
    assert wrong == {}


def test_every_interrupt_is_told_there(machine: VirtualMachine, guests: Settings) -> None:
    async def told() -> dict[int, str]:
        async with machine.connect() as control:
            manifest = machine.manifest("aslr", "hostile-interrupts")
            return await _interrupts(control, manifest, _manifest(guests, "interrupts", "aslr"))

    assert asyncio.run(told()) == EVERY_INTERRUPT


async def _interrupts(control: Control, manifest: str, image: Path) -> dict[int, str]:
    """What is said of `int n`, by vector."""
    ended = {vector: await _end(control, manifest, str(vector), "aslr") for vector in EVERY_INTERRUPT}
    # Once for all: hundreds of rows are a long message for a serial line.
    rows = {row.instance: row for row in await control.list()}
    told = {}
    for vector, instance in ended.items():
        if (rows[instance].state, rows[instance].exit) == ("exited", 0):
            told[vector] = WENT_ON
            continue
        report = await _report(control, instance, image)
        known = (
            says for says, code in (("breakpoint", 133), (PROTECTION, 139)) if says in report and code == rows[instance].exit
        )
        told[vector] = next(known, report)
    return told


async def _here(guests: Settings, name: str, way: str, layout: str) -> tuple[str, int]:
    image = _manifest(guests, name, layout)
    async with launcher.private(guests) as (control, _):
        return await _end_and_report(control, str(image), way, layout, image)


async def _there(machine: VirtualMachine, guests: Settings, name: str, way: str, layout: str) -> tuple[str, int]:
    async with machine.connect() as control:
        manifest = machine.manifest(layout, f"hostile-{name}")
        return await _end_and_report(control, manifest, way, layout, _manifest(guests, name, layout))


def _manifest(guests: Settings, name: str, layout: str) -> Path:
    return guests.image_folder(layout, f"hostile-{name}") / "manifest.json"


async def _end_and_report(control: Control, manifest: str, way: str, layout: str, image: Path) -> tuple[str, int]:
    instance = await _end(control, manifest, way, layout)
    report = await _report(control, instance, image)
    return report, (await _row(control, instance)).exit or 0


async def _end(control: Control, manifest: str, way: str, layout: str) -> str:
    """Start a guest and wait for its end; the instance."""
    seed = SEED if layout == "aslr" else None
    request = StartRequest(manifest=manifest, tender="kvm", argv=[Path(manifest).parent.name, way], seed=seed)
    (started,) = await control.start(request)
    while started.state is None and (await _row(control, started.instance)).live:
        await asyncio.sleep(0.02)
    return started.instance


async def _row(control: Control, instance: str) -> Instance:
    return next(row for row in await control.list() if row.instance == instance)


async def _report(control: Control, instance: str, image: Path) -> str:
    """The report, made here from what the tender saw there; `image` is the same image on this machine."""
    crash = await control.crash(instance)
    return explain({**crash.record, "manifest": str(image)}).report


def _steady(report: str) -> str:
    """A report without what differs from start to start: numbers of the stack that were drawn, and of the time."""
    lines = [line for line in report.splitlines() if not re.match(r"\s+stack 0x|\s+r[0-9a-z]{1,2}=", line)]
    return "\n".join([*lines, *re.findall(r"(?:rip|rsp|rflags)=[0-9a-f]+", report)])
