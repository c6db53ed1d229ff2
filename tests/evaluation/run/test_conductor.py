"""The order of parts, repeating what cannot be true, the budget, what does not fit; with kinds that measure nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from unishare.errors import HostLacksError, UnishareError
from unishare.evaluation.run import conductor, limits
from unishare.evaluation.run.memory_readings import ImpossibleReading, refuse_impossible
from unishare.evaluation.run.plan import plan
from unishare.evaluation.run.samples import PartName, Reading, Samples
from unishare.evaluation.scenario import Configuration, read_scenario
from unishare.settings import Settings

SCENARIO = """
scenario = "mine"
kind = "sizes"
title = "t"
question = "q"
full = { rounds = 2 }
quick = {}
tiny = {}
[[configuration]]
layout = "dce"
[[configuration]]
layout = "aligned"
[[configuration]]
layout = "aslr"
repeat = 1
"""


@pytest.fixture
def parts(tmp_path: Path) -> list:  # type: ignore[type-arg]
    (tmp_path / "mine.toml").write_text(SCENARIO)
    return plan([read_scenario(tmp_path / "mine.toml")], "full")


def run(settings: Settings, tmp_path: Path, parts: list, measure: object, budget: float | None = None) -> list:  # type: ignore[type-arg]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(conductor.KINDS, "sizes", measure)
        one = conductor.Conductor(settings, Samples.create(tmp_path), "programs", budget, lambda _: None)
        return one.run(parts, lambda *_: None)


def test_rounds_take_turns(parts: list) -> None:  # type: ignore[type-arg]
    assert [(part.name.configuration, part.round) for part in parts] == [
        ("pool dce", 1), ("pool aligned", 1), ("pool aslr", 1), ("pool aligned", 2), ("pool dce", 2),
    ]  # fmt: skip


def test_what_cannot_be_true_is_measured_again_and_never_kept(settings: Settings, tmp_path: Path, parts: list) -> None:  # type: ignore[type-arg]
    calls: list[str] = []

    async def measure(task: object) -> list[Reading]:
        title = task.configuration.title  # type: ignore[attr-defined]
        calls.append(title)
        if title == "pool dce" or (title == "pool aligned" and calls.count(title) == 1):
            refuse_impossible(1 << 20, 100 << 20, 5)
        return [Reading("file", "bytes", 1.5, subject="a")]

    outcomes = run(settings, tmp_path, parts[:3], measure)
    assert [one.state for one in outcomes] == ["failed", "done", "done"]
    assert (calls.count("pool dce"), calls.count("pool aligned"), calls.count("pool aslr")) == (3, 2, 1)
    kept = Samples.create(tmp_path).parts("mine")
    assert [part.name for part in kept] == [PartName("mine", "pool aligned", 1), PartName("mine", "pool aslr", 1)]
    assert kept[0].readings == [Reading("file", "bytes", 1.5, subject="a")]
    # What is done stays; what failed is tried again.
    calls.clear()
    run(settings, tmp_path, parts[:3], measure)
    assert set(calls) == {"pool dce"}


def test_one_failure_of_a_task_group_is_named(settings: Settings, tmp_path: Path, parts: list) -> None:  # type: ignore[type-arg]
    async def fails() -> None:
        raise UnishareError("the instance ended")

    async def measure(_: object) -> list[Reading]:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
        return []

    (outcome,) = run(settings, tmp_path, parts[:1], measure)
    assert (outcome.state, outcome.reason) == ("failed", "the instance ended")


def test_what_does_not_fit_is_told_with_what_does(
    settings: Settings,
    tmp_path: Path,
    parts: list,  # type: ignore[type-arg]
) -> None:
    async def measure(_: object) -> list[Reading]:
        raise HostLacksError("900 instances do not fit", "give --instances 268")

    (outcome,) = run(settings, tmp_path, parts[:1], measure)
    assert (outcome.state, outcome.reason) == ("failed", "900 instances do not fit (give --instances 268)")


def test_a_defect_ends_one_part_and_not_the_run(settings: Settings, tmp_path: Path, parts: list) -> None:  # type: ignore[type-arg]
    async def measure(task: object) -> list[Reading]:
        if task.configuration.title == "pool dce":  # type: ignore[attr-defined]
            raise FileNotFoundError("/proc/4242/maps")
        return [Reading("file", "bytes", 1)]

    outcomes = run(settings, tmp_path, parts[:2], measure)
    assert [(one.state, one.reason) for one in outcomes] == [("failed", "FileNotFoundError: /proc/4242/maps"), ("done", "")]


def test_what_even_looking_for_is_refused_is_skipped(
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    tmp_path: Path,
    parts: list,  # type: ignore[type-arg]
) -> None:
    def refused(_: Configuration) -> None:
        raise PermissionError(13, "Permission denied", "/sys/kernel/tracing")

    async def measure(_: object) -> list[Reading]:
        return []

    monkeypatch.setattr(conductor, "lacks", refused)
    (outcome,) = run(settings, tmp_path, parts[:1], measure)
    assert (outcome.state, outcome.reason) == ("skipped", "/sys/kernel/tracing: Permission denied")


def test_the_budget_leaves_out_what_would_end_later(settings: Settings, tmp_path: Path, parts: list) -> None:  # type: ignore[type-arg]
    async def measure(_: object) -> list[Reading]:
        return [Reading("file", "bytes", 1)]

    assert {one.state for one in run(settings, tmp_path, parts, measure, budget=1.0)} == {"no time"}
    assert {one.state for one in run(settings, tmp_path, parts, measure, budget=1000.0)} == {"done"}


def test_impossible_readings() -> None:
    refuse_impossible(100 << 20, 90 << 20, 5)
    for total, pss in ((0, 0), (-5, 0), (50 << 20, 90 << 20)):
        with pytest.raises(ImpossibleReading):
            refuse_impossible(total, pss, 5)


@pytest.mark.parametrize(("room", "word"), [("memory", "memory"), ("_descriptors", "descriptors"), ("_processes", "processes")])
def test_what_does_not_fit_is_said_with_a_number_that_does(monkeypatch: pytest.MonkeyPatch, room: str, word: str) -> None:
    if room == "memory":
        monkeypatch.setattr(limits, "available", lambda: limits.MARGIN + 100 * (limits.NEED_KIB["copy"] << 10))
    else:
        monkeypatch.setattr(limits, room, lambda: 464)
    with pytest.raises(HostLacksError, match=f"room for \\d+ by {word}") as failure:
        limits.refuse_what_does_not_fit(Configuration(sharing="copy"), 900)
    fits = int((failure.value.hint or "").rpartition(" ")[2])
    assert 50 < fits < 500
    limits.refuse_what_does_not_fit(Configuration(sharing="copy"), fits)
