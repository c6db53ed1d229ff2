"""Hosts whose KVM fails, or has too little of something, in the middle of a start: a clear error, all or nothing, and nothing left behind."""

from __future__ import annotations

import asyncio
import errno
import mmap
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from unishare.errors import HostLacksError
from unishare.fleet import launcher
from unishare.fleet.control import Control
from unishare.fleet.messages import StartRequest
from unishare.settings import Settings

SOURCE = Path(__file__).with_name("failing_kvm.c")
# Requests of <linux/kvm.h>.
CREATE_VM, CREATE_VCPU, SET_MEMORY, RUN, SET_CPUID = 0xAE01, 0xAE41, 0x4020AE46, 0xAE80, 0x4008AE90
BATCH = 12
Plan = Callable[[int, int, int], None]


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plan]:
    """Let a request fail with an error after so many that succeed, in every program that is started from now on."""
    library, file = tmp_path / "failing_kvm.so", tmp_path / "plan"
    command = ["gcc", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", str(library), str(SOURCE)]
    subprocess.run(command, check=True)
    file.write_bytes(bytes(mmap.PAGESIZE))
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("FAILING_KVM", str(file))

    def write(request: int, successes: int, error: int) -> None:
        with file.open("r+b") as words:
            words.write(struct.pack("<qqq", request, successes, error))

    yield write


def descriptors(root: int) -> dict[int, int]:
    """A process and its descendants: how many descriptors each has open."""
    children = Path(f"/proc/{root}/task/{root}/children").read_text().split()
    found = {root: len(list(Path(f"/proc/{root}/fd").iterdir()))}
    for child in children:
        found |= descriptors(int(child))
    return found


async def grown(root: int, before: dict[int, int]) -> dict[int, int]:
    """Processes that are new or have more descriptors than before, once there are none, or after long patience."""
    more: dict[int, int] = {}
    for _ in range(200):
        try:
            more = {pid: count for pid, count in descriptors(root).items() if count > before.get(pid, 0)}
        except OSError:
            continue  # one of them has just ended
        if not more:
            break
        await asyncio.sleep(0.02)
    return more


@pytest.mark.kvm
@pytest.mark.parametrize(
    ("request_code", "successes", "error", "said", "hint"),
    [
        (CREATE_VM, BATCH // 2, errno.ENOMEM, "too little memory", "stop some"),
        (CREATE_VM, BATCH // 2, errno.EMFILE, "too few file descriptors", "ulimit"),
        (CREATE_VCPU, BATCH // 2, errno.ENOMEM, "too little memory", "stop some"),
        (CREATE_VCPU, BATCH // 2, errno.EMFILE, "too few file descriptors", "ulimit"),
        (SET_MEMORY, BATCH // 2, errno.ENOMEM, "too little memory", "stop some"),
        (CREATE_VM, 0, errno.EBUSY, "KVM failed at creating a virtual machine", "another hypervisor"),
        (SET_CPUID, 0, errno.EINVAL, "KVM failed at setting CPUID", "--tender process"),
    ],
)
def test_a_batch_that_kvm_fails_in_is_refused_as_a_whole(
    home: Settings, plan: Plan, request_code: int, successes: int, error: int, said: str, hint: str
) -> None:
    request = StartRequest(manifest=str(home.image_folder("aligned", "hello") / "manifest.json"), tender="kvm")

    async def act(control: Control, pid: int) -> None:
        (survivor,) = await control.start(request)
        before = descriptors(pid)
        plan(request_code, successes, error)
        with pytest.raises(HostLacksError, match=said) as raised:
            await control.start(request.model_copy(update={"count": BATCH}))
        assert hint in str(raised.value.hint)
        assert [one.instance for one in await control.list()] == [survivor.instance]
        assert await grown(pid, before) == {}
        plan(0, 0, 0)
        # The launcher goes on, and so does who was there.
        assert len(await control.start(request.model_copy(update={"count": BATCH}))) == BATCH
        await control.invoke(survivor.instance, b"")

    async def run() -> None:
        async with launcher.private(home) as (control, pid):
            await act(control, pid)

    asyncio.run(run())


@pytest.mark.kvm
def test_a_kvm_that_does_not_run_guests_is_no_crash_of_theirs(home: Settings, plan: Plan) -> None:
    request = StartRequest(manifest=str(home.image_folder("aligned", "hello") / "manifest.json"), tender="kvm", count=BATCH)

    async def run() -> None:
        async with launcher.private(home) as (control, _):
            plan(RUN, 0, errno.EIO)
            with pytest.raises(HostLacksError, match="could not run the guest") as raised:
                await control.start(request)
            assert "--tender process" in str(raised.value.hint)
            plan(0, 0, 0)
            assert len(await control.start(request)) == BATCH

    asyncio.run(run())


@pytest.mark.kvm
def test_doctor_tries_whether_kvm_makes_a_machine(plan: Plan) -> None:
    plan(CREATE_VM, 0, errno.EBUSY)
    code = "from unishare.host.doctor import kvm_problem; print(kvm_problem())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    assert "makes no virtual machine: Device or resource busy" in done.stdout
