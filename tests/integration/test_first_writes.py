"""What every first request writes: measured when a snapshot is taken, there before the request under KVM, and gone where none comes."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from integration.conftest import ROOT, build
from unishare.fleet import launcher
from unishare.fleet.messages import StartRequest
from unishare.formats import elf
from unishare.formats.addresses import PAGE
from unishare.formats.elf import ElfFile
from unishare.formats.snapshot import FIRST_WRITES, PageRange, Snapshot
from unishare.pool import snapshots
from unishare.pool.store import Pool
from unishare.settings import Settings
from unishare.toolchain.recipes.catalog import Catalog

MAIN = """
#include <stdlib.h>
#include <unishare/function.h>
__attribute__((aligned(4096))) char always[4 * 4096] = {1}, sometimes[3 * 4096] = {1}, never[2 * 4096] = {1};
static int handle(const unishare_request *request, unishare_answer *answer)
{
    always[5]++;
    always[3 * 4096] = always[2 * 4096 + 1] + 1;
    if (request->size == 5)
        sometimes[0]++;
    if (request->size == 7)
        abort();
    if (request->size == 8)
        for (;;) { }
    if (request->size > 100)
        never[0]++;
    unishare_answer_printf(answer, "%d %d %d", always[5], sometimes[0], never[0]);
    return request->size == 3 ? 4 : 0;
}
int main(void) { return unishare_serve(handle); }
"""
LIMIT_S = 10.0


@pytest.fixture(scope="module", params=["kept", "none"])
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with the function, which keeps its state or does not."""
    folder = tmp_path_factory.mktemp("first-writes")
    app = folder / "apps" / "toucher"
    app.mkdir(parents=True)
    (app / "main.c").write_text(MAIN)
    (app / "app.toml").write_text(f'name = "toucher"\nlibraries = ["unishare-invoke"]\nstate = "{request.param}"\n')
    warm = Path(os.environ.get("UNISHARE_HOME", ROOT / ".state")).absolute()
    (folder / "home").mkdir()
    for name in ("sources", "objects"):
        (folder / "home" / name).symlink_to(warm / name)
    settings = Settings(folder / "home")
    build(settings, Catalog([folder]), ("toucher",), ("aligned", "aslr"))
    return settings


def take(home: Settings, layout: str, requests: list[bytes]) -> Path:
    (file,) = snapshots.take(Pool.open(home.pool), home.image_folder(layout, "toucher"), count=1, requests=requests)
    return file


def written(file: Path) -> set[int]:
    """The pages that a snapshot says are written."""
    ranges = Snapshot.read(file).first_writes
    return {page for one in ranges for page in range(one.start, one.end, PAGE)}


def pages_of(home: Settings, name: str) -> list[int]:
    """Where the pages of a variable are, aligned."""
    symbols = ElfFile.read(home.image_folder("aligned", "toucher") / "image.elf").symbol_table(elf.SHT_SYMTAB)
    (symbol,) = [symbol for symbol in symbols if symbol.name == name]
    return list(range(symbol.value, symbol.value + symbol.size, PAGE))


def wanted(home: Settings, layout: str, file: Path, tender: str, quiet_ms: int) -> StartRequest:
    manifest = str(home.image_folder(layout, "toucher") / "manifest.json")
    request = StartRequest(manifest=manifest, tender="process", snapshots=[str(file)], quiet_ms=quiet_ms)
    return request.model_copy(update={"tender": tender})


def test_pages_that_all_requests_write_are_named_and_no_others(home: Settings) -> None:
    found = written(take(home, "aligned", [b"abc", b"abcde"]))
    always = pages_of(home, "always")
    assert {always[0], always[3]} <= found
    # Read only, written by one of them, or by none.
    assert not found & {*always[1:3], *pages_of(home, "sometimes"), *pages_of(home, "never")}
    assert written(take(home, "aligned", [b"abcde"])) >= {pages_of(home, "sometimes")[0]}
    assert len(written(take(home, "aslr", [b"abc"]))) >= 2


def test_a_request_that_is_not_answered_says_nothing(home: Settings) -> None:
    usual = written(take(home, "aligned", [b"abc"]))
    assert written(take(home, "aligned", [b"abc", b"crashes", b"tooslow!"])) == usual
    assert written(take(home, "aligned", [b"crashes"])) == set()
    assert written(take(home, "aligned", [])) == set()


def test_every_request_is_answered_as_without(home: Settings, tender: str) -> None:
    for layout in ("aligned", "aslr"):
        file = take(home, layout, [b"abc"])
        first, later = [asyncio.run(answers(home, wanted(home, layout, file, tender, 10), wait_s)) for wait_s in (0.0, 0.2)]
        assert first == later
        assert first[0] == b"1 1 1"


async def answers(home: Settings, request: StartRequest, wait_s: float) -> list[bytes]:
    async with launcher.private(home) as (control, _):
        (started,) = await control.start(request)
        found = []
        for data in (b"ab", b"abcde", b"ab"):
            await asyncio.sleep(wait_s)
            found.append((await control.invoke(started.instance, data)).payload)
        return found


@pytest.mark.kvm
@pytest.mark.skipif(os.geteuid() != 0, reason="reading the memory of sandboxed instances is root's")
@pytest.mark.parametrize("layout", ["aligned", "aslr"])
def test_under_kvm_the_pages_are_there_before_the_request_and_go_where_none_comes(home: Settings, layout: str) -> None:
    file = take(home, layout, [b"abc"])
    asyncio.run(private_before_a_request(home, wanted(home, layout, file, "kvm", 60_000), lambda pages: pages >= 2))
    asyncio.run(private_before_a_request(home, wanted(home, layout, file, "kvm", 20), lambda pages: pages == 0))
    without = Snapshot.read(file).model_copy(update={"first_writes": []})
    file.write_text(without.to_text())
    asyncio.run(private_before_a_request(home, wanted(home, layout, file, "kvm", 60_000), lambda pages: pages == 0))


async def private_before_a_request(home: Settings, request: StartRequest, is_right: Callable[[int], bool]) -> None:
    """Copies of the pool's writable pages that an instance has which was not asked: right after a while."""
    async with launcher.private(home) as (control, _):
        (started,) = await control.start(request)
        await asyncio.sleep(0.5)
        deadline = time.monotonic() + LIMIT_S
        while not is_right(pages := copies(started.pid, home)):
            assert time.monotonic() < deadline, pages
            await asyncio.sleep(0.05)
        assert (await control.invoke(started.instance, b"ab")).payload == b"1 1 1"


def copies(pid: int, home: Settings) -> int:
    """Anonymous pages in mappings of the pool's files that hold memory of the guest."""
    counted, found = False, 0
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            counted = " rw-p " in line and str(home.pool) in line
        elif counted and line.startswith("Anonymous:"):
            found += int(line.split()[1]) // 4
    return found


@pytest.mark.parametrize(
    ("ranges", "said"),
    [
        ([(0x400000, 1)], "first_writes[0]: 1 pages at 0x400000 are not all writable memory of toucher"),
        ([(0x7F0000000000, 1)], "first_writes[0]: 1 pages at 0x7f0000000000 are not all writable"),
        ([(0x8004000, 3), (0x8005000, 1)], "first_writes[1]: 0x8005000 is out of order"),
        ([(0x8005000, 1), (0x8004000, 1)], "first_writes[1]: 0x8004000 is out of order"),
        ([(0x8004800, 1)], "first_writes[0]: 0x8004800 is out of order, or no page"),
        ([(0x8045000, FIRST_WRITES), (0x80D0000, 1)], "first_writes[1]: they are more than 128 pages"),
        ([(0x8004000, 1 << 52)], "first_writes[0]: 0x8004000 is out of order, or no page"),
    ],
)
def test_ranges_that_are_none_are_refused_and_the_image_starts(
    home: Settings, tender: str, ranges: list[tuple[int, int]], said: str
) -> None:
    file = take(home, "aligned", [])
    bad = [PageRange.model_construct(address=hex(address), pages=pages) for address, pages in ranges]
    file.write_text(Snapshot.read(file).model_copy(update={"first_writes": bad}).to_text())

    async def started() -> tuple[list[str], bytes]:
        async with launcher.private(home) as (control, _):
            begun = await control.start_with_warnings(wanted(home, "aligned", file, tender, 100))
            return begun.warnings, (await control.invoke(begun.instances[0].instance, b"ab")).payload

    warnings, answer = asyncio.run(started())
    assert said in warnings[0]
    assert answer == b"1 1 1"
