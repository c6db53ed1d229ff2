"""Checking goes on after a wrong answer, names all that were wrong, and always stops what it started."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from unishare.evaluation.bench.workload import Function
from unishare.evaluation.population.check import check
from unishare.fleet import launcher
from unishare.fleet.control import LauncherGoneError
from unishare.fleet.examples import Expectation
from unishare.fleet.messages import Answer, StartedInstance, StartRequest
from unishare.fleet.references import ImageReference
from unishare.settings import Settings


class FakeControl:
    """Answers every request with the request, or breaks."""

    def __init__(self, broken: bool) -> None:
        self.running: set[str] = set()
        self._broken = broken

    async def start(self, request: StartRequest) -> list[StartedInstance]:
        self.running.add(f"{request.name}-1")
        return [StartedInstance(instance=f"{request.name}-1", pid=1)]

    async def invoke(self, _instance: str, payload: bytes, _limit: int) -> Answer:
        if self._broken:
            raise LauncherGoneError("gone")
        return Answer(status=0, duration_us=1, payload=payload)

    async def stop(self, instance: str) -> None:
        self.running.remove(instance)


@pytest.fixture(params=[False])
def control(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FakeControl:
    fake = FakeControl(request.param)

    @contextlib.asynccontextmanager
    async def private(_settings: Settings) -> AsyncIterator[tuple[FakeControl, int]]:
        yield fake, 1

    monkeypatch.setattr(launcher, "private", private)
    return fake


def echo(name: str, answer: bytes) -> Function:
    expectation = Expectation(app=name, request=b"same", answer=answer, pattern=None, status=0, round_trip=None)
    return Function(name, ImageReference(name, Path(name) / "manifest.json"), (expectation,))


def test_all_that_are_wrong_are_named_and_all_are_stopped(control: FakeControl, tmp_path: Path) -> None:
    functions = [("dce", echo(f"p1-{number:04}", b"same" if number % 3 else b"other")) for number in range(30)]
    done: list[int] = []
    wrong = asyncio.run(check(Settings(tmp_path), functions, "process", lambda: done.append(1)))
    assert [one.app for one in wrong] == [f"p1-{number:04}" for number in range(0, 30, 3)]
    assert all(one.layout == "dce" and "wrong answer" in one.reason for one in wrong)
    assert len(done) == 30
    assert not control.running


@pytest.mark.parametrize("control", [True], indirect=True)
def test_a_launcher_that_ends_is_one_failure_and_not_thirty(control: FakeControl, tmp_path: Path) -> None:
    functions = [("dce", echo(f"p1-{number:04}", b"same")) for number in range(30)]
    with pytest.raises(LauncherGoneError):
        asyncio.run(check(Settings(tmp_path), functions, "process", lambda: None))
