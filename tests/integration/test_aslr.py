"""Random addresses on the real launcher: seeds, bases, and page frames that stay shared."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from unishare.errors import BadRequestError, UnishareError
from unishare.evaluation.draws import draw
from unishare.evaluation.randomness import low_bits_p, most_frequent_difference, repeated, smallest_of_many
from unishare.fleet import launcher
from unishare.fleet.control import Control
from unishare.fleet.messages import StartRequest
from unishare.fleet.references import resolve
from unishare.formats.manifest import Extent, Manifest
from unishare.host.frames import frames_of_run, frames_visible, mappings
from unishare.inspect.random_addresses import shares, totals
from unishare.settings import Settings

APPS = ("gzip", "json", "sql", "lua")


def request(settings: Settings, app: str, tender: str, layout: str = "aslr", **more: Any) -> StartRequest:
    manifest = str(settings.image_folder(layout, app) / "manifest.json")
    return StartRequest(manifest=manifest, tender="kvm" if tender == "kvm" else "process", **more)


def with_launcher(settings: Settings, act: Callable[[Control], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with launcher.private(settings) as (control, _):
            return await act(control)

    return asyncio.run(run())


async def bases(control: Control, instances: list[str]) -> list[tuple[str, ...]]:
    return [tuple(module.base for module in (await control.bases(one)).modules) for one in instances]


def unishare(settings: Settings, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "unishare", "--home", str(settings.home), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_a_seed_draws_the_same_again_and_nothing_else_does(aslr_home: Settings, tender: str) -> None:
    async def act(control: Control) -> None:
        started = await control.start(request(aslr_home, "hello", tender, count=3, seed=5))
        names = [one.instance for one in started]
        first = await bases(control, names)
        assert len(set(first)) == 3
        again = await control.start(request(aslr_home, "hello", tender, count=3, seed=5))
        assert await bases(control, [one.instance for one in again]) == first
        # Each of several can be had again alone.
        own = (await control.bases(names[2])).seed
        alone = await control.start(request(aslr_home, "hello", tender, seed=own))
        assert await bases(control, [alone[0].instance]) == [first[2]]
        free = await control.start(request(aslr_home, "hello", tender, count=20))
        drawn = await bases(control, [one.instance for one in free])
        assert len({*drawn, *first}) == 23
        assert (await control.bases(free[0].instance)).seed is None

    with_launcher(aslr_home, act)


def test_modules_lie_where_bases_says(aslr_home: Settings) -> None:
    async def act(control: Control) -> tuple[int, list[int]]:
        one = (await control.start(request(aslr_home, "gzip", "process")))[0]
        found = await control.bases(one.instance)
        mapped = {mapping.start for mapping in mappings(one.pid)}
        assert found.random and all(module.file and Path(module.file).is_file() for module in found.modules)
        assert int(found.hypercall, 16) in mapped
        return one.pid, [int(module.base, 16) in mapped for module in found.modules]

    assert all(with_launcher(aslr_home, act)[1])


def test_a_seed_for_fixed_addresses_is_refused(home: Settings, tender: str) -> None:
    async def act(control: Control) -> None:
        with pytest.raises(BadRequestError) as caught:
            await control.start(request(home, "hello", tender, "aligned", seed=5))
        assert "fixed addresses" in caught.value.message and "--layout aslr" in caught.value.message

    with_launcher(home, act)
    said = unishare(home, "run", "aligned:hello", "--seed", "5", "--tender", tender, code=2).stderr
    assert "--layout aslr" in said


def test_the_command_line_warns_once_and_shows_bases(aslr_home: Settings, tmp_path: Path) -> None:
    # The resident launcher of a home of its own, with the built images and their pool.
    own = Settings(tmp_path / "home")
    own.home.mkdir()
    for name in ("images", "pool"):
        (own.home / name).symlink_to(aslr_home.home / name)
    loud = "NOT RANDOM"
    done = unishare(own, "invoke", "aslr:hello", "--seed", "5", "--data", "you", "--tender", "process")
    assert done.stdout == "Hello, you!\n" and done.stderr.count(loud) == 1
    try:
        done = unishare(own, "run", "aslr:hello", "-n", "2", "--seed", "5", "--detach", "--tender", "process")
        assert done.stdout.split() == ["hello-1", "hello-2"] and done.stderr.count(loud) == 1
        listed = json.loads(unishare(own, "ps", "--json").stdout)
        assert len({entry["bases"]["musl-core"] for entry in listed}) == 2
        shown = json.loads(unishare(own, "inspect", "hello-1", "--json").stdout)
        assert {module["module"]: module["base"] for module in shown["modules"]} == listed[0]["bases"]
        assert "musl-core" in unishare(own, "inspect", "hello-1").stdout
        file = Path(unishare(own, "gdb", "hello-2").stdout.strip())
        assert listed[1]["bases"]["musl-core"] in file.read_text()
        assert f"attach {listed[1]['pid']}" in file.read_text()
        unishare(own, "gdb", "nobody-1", code=66)
    finally:
        unishare(own, "stop", "--all")


def read_only_extents(settings: Settings, app: str) -> list[Extent]:
    manifest = Manifest.read(settings.image_folder("aslr", app) / "manifest.json")
    return [one for one in manifest.extents if one.run and one.rights != "rw-"]


@pytest.mark.skipif(not frames_visible(), reason="page frame numbers are shown to root only")
@pytest.mark.parametrize("app", APPS)
def test_code_at_different_addresses_is_one_frame(aslr_home: Settings, tender: str, app: str) -> None:
    async def act(control: Control) -> tuple[int, int]:
        started = await control.start(request(aslr_home, app, tender, count=2))
        first, second = await bases(control, [one.instance for one in started])
        assert all(one != other for one, other in zip(first, second, strict=True))
        for one in started:
            await control.invoke(one.instance, b"")
        code = [one for one in read_only_extents(aslr_home, app) if one.rights == "r-x"]
        seen = 0
        for extent in code:
            assert extent.run is not None
            places = [frames_of_run(one.pid, extent.run, extent.first, extent.pages) for one in started]
            for here, there in zip(*places, strict=True):
                assert here is None or there is None or here == there
                seen += here is not None and here == there
        return seen, sum(one.pages for one in code)

    seen, total = with_launcher(aslr_home, act)
    # What a guest has not run yet is in no page table; a third of these apps' code is.
    assert seen >= total / 4


def mapped_from_pool(pid: int, extent: Extent) -> int:
    """How many pages of an extent the process maps straight from the pool's file."""
    assert extent.run is not None
    wanted = range(extent.first * 4096, (extent.first + extent.pages) * 4096, 4096)
    places = [
        range(one.offset, one.offset + one.end - one.start, 4096) for one in mappings(pid) if one.path.endswith(extent.run)
    ]
    return sum(any(offset in place for place in places) for offset in wanted)


@pytest.mark.parametrize("app", APPS)
def test_nearly_all_code_is_mapped_from_the_pool(aslr_home: Settings, tender: str, app: str) -> None:
    async def count(control: Control) -> tuple[int, int]:
        started = (await control.start(request(aslr_home, app, tender)))[0]
        code = [one for one in read_only_extents(aslr_home, app) if one.rights == "r-x"]
        return sum(mapped_from_pool(started.pid, one) for one in code), sum(one.pages for one in code)

    shared, total = with_launcher(aslr_home, count)
    assert shared >= 0.99 * total > 0


@pytest.mark.parametrize("app", APPS)
def test_inspect_counts_what_is_shared(aslr_home: Settings, app: str) -> None:
    manifest = Manifest.read(resolve(f"aslr:{app}", aslr_home).manifest)
    found = totals(manifest)
    rows = shares(manifest)
    assert manifest.modules is not None and [row.library for row in rows] == [module.name for module in manifest.modules]
    assert found.shared_code >= 0.99
    assert manifest.relocations is not None and found.relocations == manifest.relocations.count
    said = unishare(aslr_home, "inspect", f"aslr:{app}", "--json").stdout
    assert json.loads(said)["random_addresses"]["totals"]["shared_code"] == found.shared_code
    assert f"shared: {found.shared_code:.1%} of code bytes" in unishare(aslr_home, "inspect", f"aslr:{app}").stdout


@pytest.mark.parametrize("app", APPS)
def test_nearly_all_read_only_bytes_are_shared(aslr_home: Settings, app: str) -> None:
    manifest = Manifest.read(resolve(f"aslr:{app}", aslr_home).manifest)
    assert totals(manifest).shared_read_only >= 0.95


SEED = 1
BITS = 8


def test_no_two_starts_are_alike_and_no_base_gives_another_away(aslr_home: Settings) -> None:
    found = draw(aslr_home, resolve("aslr:gzip", aslr_home).manifest, 10_000, SEED)
    assert len(found.bases) == 10_000 and found.modules[0] == "gzip" and "zlib" in found.modules
    assert repeated(found.bases) == 0
    # Whoever knows one base and bets on the likeliest distance is wrong in more than 199 of 200 instances.
    assert most_frequent_difference(found.bases) < 0.005


def test_low_bits_of_page_numbers_are_even(aslr_home: Settings) -> None:
    found = draw(aslr_home, resolve("aslr:gzip", aslr_home).manifest, 100_000, SEED)
    p_values = low_bits_p(found.bases, BITS)
    assert smallest_of_many(p_values) > 0.001, dict(zip(found.modules, p_values, strict=True))


def test_bases_of_a_fixed_image_cannot_be_drawn(home: Settings) -> None:
    with pytest.raises(UnishareError) as caught:
        draw(home, resolve("aligned:gzip", home).manifest, 10)
    assert "fixed addresses" in caught.value.message
