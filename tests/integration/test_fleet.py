"""Fleets on the real launcher: one page frame for a page of a library, right answers, nothing left behind."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from unishare.errors import NotFoundError, TimeLimitError, UnishareError
from unishare.evaluation.bench.workload import FUNCTIONS, load_functions
from unishare.fleet import launcher
from unishare.fleet.control import Control
from unishare.fleet.messages import StartRequest
from unishare.formats.manifest import Manifest
from unishare.host.frames import frames_of_run, frames_visible
from unishare.settings import Settings


def with_launcher(settings: Settings, act: Callable[[Control], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with launcher.private(settings) as (control, _):
            return await act(control)

    return asyncio.run(run())


def manifest_of(settings: Settings, app: str) -> str:
    return str(settings.image_folder("aligned", app) / "manifest.json")


@pytest.mark.skipif(not frames_visible(), reason="page frame numbers are shown to root only")
def test_a_library_page_is_one_frame_in_two_different_unikernels(home: Settings, tender: str) -> None:
    extents = [
        one for one in Manifest.read(Path(manifest_of(home, "json"))).extents if one.library and one.rights == "r-x" and one.run
    ]
    wanted = [one for one in extents if one.library in ("musl-string", "musl-stdio", "musl-core", "unishare-invoke")]

    async def act(control: Control) -> list[dict[tuple[str, int], int]]:
        frames = []
        pids = []
        for app in ("json", "token"):
            started = (await control.start(StartRequest(manifest=manifest_of(home, app), tender=tender)))[0]  # type: ignore[arg-type]
            await control.invoke(started.instance, b"get /a\n{}")
            pids.append(started.pid)
        for pid in pids:
            found = {}
            for extent in wanted:
                for page, frame in enumerate(frames_of_run(pid, str(extent.run), extent.first, extent.pages)):
                    if frame is not None:
                        found[str(extent.run), page] = frame
            frames.append(found)
        return frames

    one, two = with_launcher(home, act)
    common = one.keys() & two.keys()
    assert len(common) >= 8
    assert all(one[page] == two[page] for page in common)


def test_a_mixed_fleet_answers_and_ends(home: Settings, tender: str) -> None:
    functions = load_functions(home, FUNCTIONS)

    async def act(control: Control) -> list[int]:
        pids = []
        for function in functions:
            for started in await control.start(StartRequest(manifest=str(function.image.manifest), tender=tender, count=5)):  # type: ignore[arg-type]
                pids.append(started.pid)
                for expectation in function.expectations:
                    await expectation.check(control, started.instance, 30_000)
        assert len([one for one in await control.list() if one.state == "ready"]) == 30
        return pids

    pids = with_launcher(home, act)
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_a_looping_function_is_ended_and_the_others_go_on(home: Settings, tender: str) -> None:
    async def act(control: Control) -> None:
        request = StartRequest(manifest=manifest_of(home, "sql"), tender=tender, count=2)  # type: ignore[arg-type]
        one, two = [started.instance for started in await control.start(request)]
        forever = b"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        with pytest.raises(TimeLimitError):
            await control.invoke(one, forever, 300)
        assert (await control.invoke(two, b"SELECT 6 * 7")).payload == b"42\n"
        states = {found.instance: found.state for found in await control.list()}
        assert states == {one: "timed-out", two: "ready"}

    with_launcher(home, act)


def test_statistics_stop_and_unknown_names(home: Settings, tender: str) -> None:
    async def act(control: Control) -> None:
        started = (await control.start(StartRequest(manifest=manifest_of(home, "hello"), tender=tender)))[0]  # type: ignore[arg-type]
        found = await control.stats(started.instance)
        assert found.rss >= found.pss > 0
        assert found.rss > found.own > 0 and found.page_tables > 0
        assert (await control.stop(started.instance)).stopped == [started.instance]
        with pytest.raises(UnishareError):
            await control.invoke(started.instance, b"")
        with pytest.raises(NotFoundError):
            await control.stats("nobody-1")
        with pytest.raises(UnishareError):
            await control.start(StartRequest(manifest="/nowhere/manifest.json", tender=tender))  # type: ignore[arg-type]

    with_launcher(home, act)


def test_a_killed_launcher_takes_its_instances_with_it(home: Settings, tender: str) -> None:
    async def run() -> list[int]:
        async with launcher.private(home) as (control, pid):
            started = await control.start(StartRequest(manifest=manifest_of(home, "hello"), tender=tender, count=4))  # type: ignore[arg-type]
            os.kill(pid, 9)
            await asyncio.sleep(1.0)
            return [one.pid for one in started]

    pids = asyncio.run(run())
    assert not [pid for pid in pids if Path(f"/proc/{pid}/maps").exists() and Path(f"/proc/{pid}/maps").read_text()]


def test_the_command_line_end_to_end(home: Settings) -> None:
    environment = {**os.environ, "UNISHARE_HOME": str(home.home)}

    def unishare(*arguments: str, code: int = 0) -> str:
        command = [sys.executable, "-m", "unishare", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if code == 0 else done.stderr

    assert unishare("invoke", "hello", "--data", "you", "--tender", "process") == "Hello, you!\n"
    assert "zlib" in unishare("inspect", "gzip")
    assert "pages are the shared ones" in unishare("inspect", "gzip", "--why")
    assert "aligned/default file" in unishare("sizes")
    assert "every library is where generation 1 of the map says" in unishare("map", "--check", "sql")
    assert "runs are good" in unishare("pool", "verify")
    assert "unknown app" in unishare("build", "gzipp", code=66)
    assert "gzip" in unishare("run", "gzipp", code=66)
