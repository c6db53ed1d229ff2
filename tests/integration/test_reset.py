"""Functions that keep nothing: after each answer an instance is what it was, and no byte of a request is readable in the next."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import pytest

from integration.conftest import build, second_home
from unishare.errors import UnishareError
from unishare.fleet import launcher
from unishare.fleet.control import Control
from unishare.fleet.messages import StartRequest
from unishare.formats.snapshot import snapshots_of
from unishare.host.memory import kilobyte_fields
from unishare.pool import snapshots
from unishare.pool.store import Pool
from unishare.settings import Settings
from unishare.toolchain.recipes.catalog import Catalog

FORGETFUL = Path(__file__).with_name("forgetful.c")
# A guard page that is there before the snapshot; requests take it away, and set up another.
GUARDED = r"""
#include <sys/mman.h>
#include <unishare/function.h>

static char *pages;

static int handle(const unishare_request *request, unishare_answer *answer)
{
    int result = 0;

    switch (*request->data) {
    case 'u': result = mprotect(pages, 4096, PROT_READ | PROT_WRITE); pages[0] = 1; break;
    case 'p': result = mprotect(pages + 4096, 4096, PROT_NONE); break;
    case 'o': pages[4096] = 1; break;
    case 'w': pages[0] = 1; break;
    }
    unishare_answer_printf(answer, "%d", result);
    return 0;
}

int main(void)
{
    pages = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return mprotect(pages, 4096, PROT_NONE) ? 9 : unishare_serve(handle);
}
"""
RECIPE = """
name = "{name}"
libraries = ["unishare-invoke"]
{state}
[build]
defines = ["_GNU_SOURCE"]
flags = ["-w", "-O1", "-mfsgsbase"]
"""
LAYOUTS = ("aligned", "aslr")
WINDOW = 8
# Bits of what forgetful.c says of registers: MXCSR and the x87's, which C functions keep.
WORDS_OF_CONTROL = 1 << 3 | 1 << 5
PAGE = 4096
ZEROS = bytes(PAGE)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with the function, once as one that keeps nothing and once as one that keeps state, and snapshots of both."""
    folder = tmp_path_factory.mktemp("reset")
    for name, state in (("forgetful", 'state = "none"'), ("stateful", ""), ("guarded", 'state = "none"')):
        app = folder / "apps" / name
        app.mkdir(parents=True)
        (app / "main.c").write_text(GUARDED if name == "guarded" else FORGETFUL.read_text())
        (app / "app.toml").write_text(RECIPE.format(name=name, state=state))
    settings = second_home(folder)
    build(settings, Catalog([folder]), ("forgetful", "stateful", "guarded"), LAYOUTS)
    for layout in LAYOUTS:
        for name in ("forgetful", "stateful", "guarded"):
            snapshots.take(Pool.open(settings.pool), settings.image_folder(layout, name), count=1)
    return settings


def request(home: Settings, name: str, layout: str, tender: str, *, reset: bool = False) -> StartRequest:
    manifest = home.image_folder(layout, name) / "manifest.json"
    return StartRequest(
        manifest=str(manifest),
        tender="kvm" if tender == "kvm" else "process",
        snapshots=[str(file) for file in snapshots_of(manifest)],
        reset=reset,
    )


def memory_of(pid: int) -> bytes:
    """All that a process has mapped, but for what cannot be read."""
    found = []
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps:
            start, end, rights = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()  # type: ignore[union-attr]
            # The processor's registers under KVM are no memory that can be read so.
            if "r" in rights and "[v" not in line and "kvm" not in line:
                memory.seek(int(start, 16))
                for _ in range(int(start, 16), int(end, 16), PAGE):
                    page = memory.read(PAGE)
                    # Untouched memory is most of it, and takes most of the time to search.
                    if page != ZEROS:
                        found.append(page)
    return b"".join(found)


async def ask_twice(home: Settings, wanted: StartRequest, secret: bytes) -> tuple[list[str], str, bool]:
    """What it finds before and after a request, and whether any of that request is in its memory while it waits."""
    async with launcher.private(home) as (control, _):
        (started,) = await control.start(wanted)
        before = (await control.invoke(started.instance, b"")).payload.decode().split()
        await control.invoke(started.instance, secret)
        await _waits(control)
        if wanted.park_ms is not None:
            assert await _state_when_parked(control) == "parked"
        memory = memory_of(started.pid)
        found = any(secret[at : at + WINDOW] in memory for at in range(len(secret) - WINDOW))
        after = (await control.invoke(started.instance, b"")).payload.decode().split()
        return before, " ".join(after), found


async def _waits(control: Control) -> None:
    """An instance resets itself after its answer is out; answering something else takes longer."""
    for _ in range(3):
        await control.list()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_byte_of_a_request_is_there_in_the_next(home: Settings, tender: str, layout: str) -> None:
    secret = os.urandom(4096)
    wanted = request(home, "forgetful", layout, tender, reset=True)
    before, after, found = asyncio.run(ask_twice(home, wanted, secret))
    assert before[:4] == ["0", "0", "0", "0"]
    assert after.split()[:4] == ["0", "0", "0", "0"]
    assert not found
    # Its hook ran again.
    assert before[4] != after.split()[4]


@pytest.mark.kvm
@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_byte_of_a_request_is_there_while_the_function_is_parked(home: Settings, layout: str) -> None:
    wanted = request(home, "forgetful", layout, "kvm", reset=True).model_copy(update={"park_ms": 20})
    before, after, found = asyncio.run(ask_twice(home, wanted, os.urandom(4096)))
    assert before[:4] == after.split()[:4] == ["0", "0", "0", "0"]
    assert not found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_test_finds_what_a_function_keeps(home: Settings, tender: str, layout: str) -> None:
    secret = os.urandom(4096)
    _, after, found = asyncio.run(ask_twice(home, request(home, "stateful", layout, tender), secret))
    assert after.split()[1:4] == ["1", "1", "1"]
    assert found


@pytest.mark.parametrize("reset", [False, True])
def test_guard_pages_are_those_of_the_snapshot(home: Settings, reset: bool) -> None:
    async def ask() -> None:
        async with launcher.private(home) as (control, _):
            (started,) = await control.start(request(home, "guarded", "aslr", "process", reset=reset))
            for data in (b"o", b"u", b"p", b"o") if reset else (b"o",):
                assert (await control.invoke(started.instance, data)).payload == b"0"
                await _waits(control)
            await control.invoke(started.instance, b"w")

    with pytest.raises(UnishareError, match="crashed"):
        asyncio.run(ask())


def test_private_memory_is_where_it_was_after_many_requests(home: Settings, tender: str) -> None:
    async def private() -> list[int]:
        async with launcher.private(home) as (control, _):
            (started,) = await control.start(request(home, "forgetful", "aslr", tender))
            found = []
            for _ in range(4):
                for _ in range(25):
                    await control.invoke(started.instance, os.urandom(4096))
                await _waits(control)
                found.append((await control.stats(started.instance)).private)
            return found

    first, *later = asyncio.run(private())
    # Less than a page for every request between two readings; a tender touches a page of its own now and then.
    assert max(later) - first < 4 * PAGE


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_idle_one_has_the_boot_page_and_nothing_else(home: Settings, layout: str) -> None:
    async def own() -> int:
        async with launcher.private(home) as (control, _):
            (started,) = await control.start(request(home, "forgetful", layout, "process").model_copy(update={"quiet_ms": 20}))
            await control.invoke(started.instance, os.urandom(4096))
            await _waits(control)
            return kilobyte_fields(Path(f"/proc/{started.pid}/smaps_rollup"))["Anonymous"]

    assert asyncio.run(own()) == PAGE


@pytest.mark.kvm
@pytest.mark.parametrize("name", ["forgetful", "stateful"])
def test_one_from_a_snapshot_parks_before_and_after_a_request(home: Settings, name: str) -> None:
    async def states() -> list[str]:
        async with launcher.private(home) as (control, _):
            wanted = request(home, name, "aslr", "kvm").model_copy(update={"quiet_ms": 20, "park_ms": 20})
            (started,) = await control.start(wanted)
            found = [await _state_when_parked(control)]
            for _ in range(2):
                assert len((await control.invoke(started.instance, b"")).payload.split()) > 4
                found.append(await _state_when_parked(control))
            return found

    assert asyncio.run(states()) == ["parked"] * 3


@pytest.mark.kvm
def test_one_that_parks_keeps_its_words_of_control(home: Settings) -> None:
    async def kinds() -> int:
        async with launcher.private(home) as (control, _):
            wanted = request(home, "stateful", "aslr", "kvm").model_copy(update={"quiet_ms": 20, "park_ms": 20})
            (started,) = await control.start(wanted)
            await control.invoke(started.instance, bytes(64))
            assert await _state_when_parked(control) == "parked"
            return int((await control.invoke(started.instance, b"")).payload.split()[0])

    assert asyncio.run(kinds()) & WORDS_OF_CONTROL == WORDS_OF_CONTROL


async def _state_when_parked(control: Control) -> str:
    for _ in range(400):
        if (state := (await control.list())[0].state) == "parked":
            break
        await asyncio.sleep(0.05)
    return state


def test_a_function_that_keeps_state_is_not_reset(home: Settings) -> None:
    async def start(name: str, **change: object) -> None:
        async with launcher.private(home) as (control, _):
            await control.start(request(home, name, "aligned", "process", reset=True).model_copy(update=change))

    with pytest.raises(UnishareError, match=r"stateful keeps state .* state = \"none\""):
        asyncio.run(start("stateful"))
    with pytest.raises(UnishareError, match="no usable snapshot"):
        asyncio.run(start("forgetful", snapshots=None))
