"""Many different functions of one language, each from its snapshot and asked once: what they have in common they hold in common."""

from __future__ import annotations

import asyncio
import os
import struct
from collections import Counter
from pathlib import Path

import pytest

from integration import language_functions
from integration.conftest import build, second_home
from unishare.fleet import launcher
from unishare.fleet.control import Control
from unishare.fleet.messages import StartedInstance, StartRequest
from unishare.formats.snapshot import snapshots_of
from unishare.host.frames import PAGE, mappings
from unishare.pool import snapshots
from unishare.pool.store import Pool
from unishare.settings import Settings
from unishare.toolchain.recipes.catalog import Catalog

COUNT = 100
# What an allocator's lists became in the same way, and the end of its heap where the functions keep equally much.
MOST_TWICE = 2
QUIET_MS = 20
QUIET_S = 0.5
# Of /proc/PID/pagemap and /proc/kpageflags (Linux, Documentation/admin-guide/mm/pagemap.rst).
PRESENT, OF_FILE, FRAME = 1 << 63, 1 << 61, (1 << 55) - 1
ZERO_PAGE = 1 << 24


@pytest.fixture(scope="module", params=language_functions.SCRIPTS)
def functions(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, list[str]]:
    """A home with a hundred functions of a language, and their names."""
    language, folder = request.param, tmp_path_factory.mktemp(request.param)
    names = language_functions.write(folder, language, COUNT)
    settings = second_home(folder)
    build(settings, Catalog([folder]), tuple(names), ("aligned", "aslr"))
    for layout in ("aligned", "aslr"):
        for name in names:
            snapshots.take(Pool.open(settings.pool), settings.image_folder(layout, name), count=1)
    return settings, names


@pytest.mark.skipif(os.geteuid() != 0, reason="reading the memory of sandboxed instances is root's")
@pytest.mark.parametrize("layout", ["aligned", "aslr"])
def test_a_hundred_functions_hold_next_to_nothing_twice(
    functions: tuple[Settings, list[str]], layout: str, tender: str
) -> None:
    settings, names = functions
    held = asyncio.run(private_pages(settings, names, layout, tender))
    assert len(held) == COUNT
    holders = Counter(page for pages in held for page in set(pages))
    doubles = [sum(holders[page] > 1 for page in pages) for pages in held]
    assert max(doubles) <= MOST_TWICE, Counter(doubles)
    # Each has written something, so that what was counted is there.
    assert min(map(len, held)) > 1


async def private_pages(settings: Settings, names: list[str], layout: str, tender: str) -> list[list[bytes]]:
    """What the private pages of each hold, once it has answered and is quiet."""
    async with launcher.private(settings) as (control, _):
        started = [await asked(control, settings, name, layout, tender) for name in names]
        await asyncio.sleep(QUIET_S)
        # Under KVM an instance is a process of the monitor too; what the guest wrote to is in mappings of its snapshot.
        folder = "" if tender == "process" else str(settings.pool)
        return [pages_of(one, folder) for one in started]


async def asked(control: Control, settings: Settings, name: str, layout: str, tender: str) -> StartedInstance:
    manifest = settings.image_folder(layout, name) / "manifest.json"
    request = StartRequest(
        manifest=str(manifest),
        tender=tender,  # type: ignore[arg-type]
        snapshots=[str(file) for file in snapshots_of(manifest)],
        quiet_ms=QUIET_MS,
    )
    (started,) = await control.start(request)
    assert (await control.invoke(started.instance, b"abc")).payload.split()[0] == name.rpartition("-")[2].encode()
    return started


def pages_of(started: StartedInstance, folder: str) -> list[bytes]:
    """Private pages in mappings of files of a folder; without one, all."""
    found = []
    with Path(f"/proc/{started.pid}/pagemap").open("rb") as pagemap, Path(f"/proc/{started.pid}/mem").open("rb") as memory:
        for mapping in mappings(started.pid):
            if mapping.path == "[vsyscall]" or not mapping.path.startswith(folder):
                continue
            pagemap.seek(mapping.start // PAGE * 8)
            entries = memoryview(pagemap.read((mapping.end - mapping.start) // PAGE * 8)).cast("Q")
            for number, entry in enumerate(entries):
                if entry & PRESENT and not entry & OF_FILE and not is_zero_page(entry & FRAME):
                    memory.seek(mapping.start + number * PAGE)
                    found.append(memory.read(PAGE))
    return found


def is_zero_page(frame: int) -> bool:
    """Whether a frame is the kernel's own page of zeros, which is nobody's memory."""
    with Path("/proc/kpageflags").open("rb", buffering=0) as flags:
        flags.seek(frame * 8)
        return bool(struct.unpack("<Q", flags.read(8))[0] & ZERO_PAGE)
