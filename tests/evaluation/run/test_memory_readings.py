"""What the measuring itself takes is not the fleet's: its own growth, and KSM's guard, which runs before the first reading."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from unishare.evaluation.kinds import deduplication, memory, scale
from unishare.evaluation.run import memory_readings
from unishare.evaluation.run.context import Task
from unishare.evaluation.run.memory_readings import Before
from unishare.evaluation.scenario import Configuration, find_scenario
from unishare.host.kernel_memory import KernelMemory
from unishare.host.memory import HostMemory
from unishare.settings import Settings


def test_own_growth_is_taken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Before(HostMemory(1000, 0, 0), KernelMemory(0, 0, 0, 0, 0, 0), used=0, own=100)
    monkeypatch.setattr(memory_readings, "_own", lambda: 130)
    assert before.fall(HostMemory(600, 0, 0)) == 400 - 30


class Reached(Exception):
    """Before.read was called."""


@pytest.mark.parametrize(("kind", "name"), [(memory, "memory"), (scale, "scale"), (deduplication, "deduplication")])
def test_the_guard_runs_before_the_first_reading(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: Any, name: str) -> None:
    guarded = False

    @contextlib.contextmanager
    def merging(_: Task, **__: object) -> Iterator[None]:
        nonlocal guarded
        guarded = True
        yield None

    def read() -> Before:
        assert guarded, "what KSM's guard takes would be the fleet's"
        raise Reached

    monkeypatch.setattr(Task, "merging", merging)
    monkeypatch.setattr(kind.Before, "read", read)
    scenario = find_scenario(name)
    configuration = Configuration(floor=True, sharing="ksm")
    task = Task(Settings(tmp_path), scenario, configuration, scenario.tiny, 1, lambda *_: None)
    with pytest.raises(Reached):
        asyncio.run(kind.measure(task))
