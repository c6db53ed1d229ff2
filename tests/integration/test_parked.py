"""What an instance keeps while it has no machine, and that it is whole when it has one again."""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from integration.conftest import build, second_home
from unishare.fleet import launcher
from unishare.fleet.control import Control
from unishare.fleet.messages import StartedInstance, StartRequest, Tender
from unishare.formats.snapshot import snapshots_of
from unishare.host.memory import kilobyte_fields
from unishare.pool import snapshots
from unishare.pool.store import Pool
from unishare.settings import Settings
from unishare.toolchain.recipes.catalog import Catalog

# Each request of a byte adds a MiB to what it keeps, for which the heap grows, and sets another rounding mode, which calls keep. Answered with
# how much it is, a sum over all of it, and the mode. An empty request changes nothing.
MAIN = r"""
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unishare/function.h>

enum { PIECE = 1 << 20, MOST = 24 };
static unsigned char *pieces[MOST];
static unsigned count;

static int handle(const unishare_request *request, unishare_answer *answer)
{
    unsigned long long sum = 0;
    uint32_t mxcsr = 0x5f80;

    if (request->size > 0 && count < MOST) {
        pieces[count] = malloc(PIECE);
        memset(pieces[count], *request->data, PIECE);
        count++;
        __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    }
    for (unsigned i = 0; i < count; i++)
        for (unsigned at = 0; at < PIECE; at += 64)
            sum += pieces[i][at];
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    unishare_answer_printf(answer, "%u %llu %x", count, sum, mxcsr & 0x6000);
    return 0;
}

int main(void)
{
    uint32_t mxcsr = 0x3f80;

    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    return unishare_serve(handle);
}
"""
RECIPE = """
name = "{name}"
libraries = ["unishare-invoke"]
{state}
[build]
flags = ["-w"]
"""
Act = Callable[[Control, StartedInstance], Awaitable[None]]
LAYOUTS = ("aligned", "aslr")
KIB = 1024
PATIENCE_S = 20.0
PIECES = 8

pytestmark = pytest.mark.kvm


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with the function, once as one that keeps state and once as one that keeps nothing, and snapshots of both."""
    folder = tmp_path_factory.mktemp("parked")
    for name, state in (("hoarder", ""), ("forgetful", 'state = "none"')):
        app = folder / "apps" / name
        app.mkdir(parents=True)
        (app / "main.c").write_text(MAIN)
        (app / "app.toml").write_text(RECIPE.format(name=name, state=state))
    settings = second_home(folder)
    build(settings, Catalog([folder]), ("hoarder", "forgetful"), LAYOUTS)
    for layout in LAYOUTS:
        for name in ("hoarder", "forgetful"):
            snapshots.take(Pool.open(settings.pool), settings.image_folder(layout, name), count=1)
    return settings


def with_instance(home: Settings, name: str, layout: str, begin: str, act: Act, tender: Tender = "kvm") -> None:
    """Start one that gives up everything soon, and do something with it."""

    async def run() -> None:
        manifest = home.image_folder(layout, name) / "manifest.json"
        files = [str(file) for file in snapshots_of(manifest)] if begin == "snapshot" else None
        request = StartRequest(manifest=str(manifest), tender=tender, snapshots=files, quiet_ms=10, park_ms=10)
        async with launcher.private(home) as (control, _):
            (started,) = await control.start(request)
            await act(control, started)

    asyncio.run(run())


async def parked(control: Control) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (await control.list())[0].state != "parked":
            await asyncio.sleep(0.005)


def own(pid: int) -> int:
    """Bytes that no other process has."""
    fields = kilobyte_fields(Path(f"/proc/{pid}/smaps_rollup"))
    return fields["Private_Clean"] + fields["Private_Dirty"]


def anonymous(pid: int) -> int:
    """Bytes of no file, whoever else has them too: a page that the zygote gives up becomes its children's own, which is no growth."""
    return kilobyte_fields(Path(f"/proc/{pid}/smaps_rollup"))["Anonymous"]


def resident(pid: int, pool: Path) -> dict[str, int]:
    """Bytes of the pool's files, and of memory files, that are in a process's page tables, by rights."""
    found = {"r--s": 0, "rw-p": 0}
    rights = ""
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if header := re.match(r"[0-9a-f]+-[0-9a-f]+ (\S{4}) \S+ \S+ \S+\s*(.*)", line):
            rights = header[1] if header[2].startswith((str(pool), "/memfd:")) else ""
        elif rights and line.startswith("Rss:"):
            found[rights] += int(line.split()[1]) * KIB
    return found


@pytest.mark.parametrize("begin", ["image", "snapshot"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_parked_instance_maps_nothing_that_comes_again_by_itself(home: Settings, layout: str, begin: str) -> None:
    async def act(control: Control, started: StartedInstance) -> None:
        for _ in range(2):
            assert (await control.invoke(started.instance, b"")).payload == b"0 0 2000"
            await parked(control)
            assert resident(started.pid, home.pool)["r--s"] == 0

    with_instance(home, "hoarder", layout, begin, act)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_of_a_parked_instance_that_keeps_nothing_the_pool_is_not_mapped_at_all(home: Settings, layout: str) -> None:
    async def act(control: Control, started: StartedInstance) -> None:
        for _ in range(2):
            assert (await control.invoke(started.instance, b"\1")).payload == b"1 16384 4000"
            await parked(control)
            assert resident(started.pid, home.pool) == {"r--s": 0, "rw-p": 0}

    with_instance(home, "forgetful", layout, "snapshot", act)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_parked_machine_costs_little_more_memory_than_a_process(home: Settings, layout: str) -> None:
    found = {}
    tenders: tuple[Tender, ...] = ("process", "kvm")
    for tender in tenders:

        async def act(control: Control, started: StartedInstance, tender: Tender = tender) -> None:
            await control.invoke(started.instance, b"\1")
            if tender == "kvm":
                await parked(control)
            else:
                await asyncio.sleep(0.3)
            found[tender] = own(started.pid)

        with_instance(home, "forgetful", layout, "snapshot", act, tender)
    # The run loop's stack, heap, data, and what the C library has written: nothing of the guest's, no page tables of its own, no parent's.
    assert found["kvm"] - found["process"] <= 48 * KIB, found


def rseq_area(pid: int) -> int:
    """Where the kernel writes a process's processor to each time that it changes (ptrace(2), PTRACE_GET_RSEQ_CONFIGURATION); 0: nowhere."""
    seize, interrupt, detach, get_rseq = 0x4206, 0x4207, 17, 0x420F
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    area = (ctypes.c_uint64 * 3)()

    def trace(request: int, address: int = 0, data: int = 0) -> None:
        if libc.ptrace(request, pid, address, data) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    trace(seize)
    trace(interrupt)
    os.waitpid(pid, 0x40000000)  # __WALL
    try:
        trace(get_rseq, ctypes.sizeof(area), ctypes.addressof(area))
    finally:
        trace(detach)
    return area[0]


def test_no_page_of_an_instance_is_written_by_the_scheduler(home: Settings) -> None:
    async def act(control: Control, started: StartedInstance) -> None:
        assert rseq_area(started.pid) == 0

    for tender in ("process", "kvm"):
        with_instance(home, "forgetful", "aligned", "snapshot", act, tender)


@pytest.mark.parametrize("begin", ["image", "snapshot"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_it_keeps_in_a_heap_of_many_pieces_is_there_when_it_wakes(home: Settings, layout: str, begin: str) -> None:
    async def act(control: Control, started: StartedInstance) -> None:
        total = 0
        for number in range(1, PIECES + 1):
            total += number * 16384
            assert (await control.invoke(started.instance, bytes([number]))).payload == b"%d %d 4000" % (number, total)
            await parked(control)
            assert (await control.invoke(started.instance, b"")).payload == b"%d %d 4000" % (number, total)

    with_instance(home, "hoarder", layout, begin, act)


@pytest.mark.parametrize(("name", "begin"), [("hoarder", "image"), ("hoarder", "snapshot"), ("forgetful", "snapshot")])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_parking_a_hundred_times_leaves_nothing(home: Settings, layout: str, name: str, begin: str) -> None:
    async def act(control: Control, started: StartedInstance) -> None:
        sizes = []
        for _ in range(100):
            assert (await control.invoke(started.instance, b"")).payload == b"0 0 2000"
            await parked(control)
            sizes.append(own(started.pid))
        assert sizes[-1] <= sizes[4], sizes

    with_instance(home, name, layout, begin, act)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_thousands_of_resets_leave_nothing(home: Settings, layout: str) -> None:
    async def act(control: Control, started: StartedInstance) -> None:
        sizes = []
        for number in range(3001):
            await control.invoke(started.instance, b"\1")
            if number in (1000, 3000):
                await parked(control)
                sizes.append(anonymous(started.pid))
        # Each kept the bytes of a list of model-specific registers once.
        assert sizes[1] <= sizes[0] + 8 * KIB, sizes

    with_instance(home, "forgetful", layout, "snapshot", act)
