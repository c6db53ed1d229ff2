"""Starts through a launcher: what is started, and how rounds and steps are summed up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from unishare.evaluation.bench import launched, many_starts, start_steps
from unishare.evaluation.bench.report import Row
from unishare.evaluation.bench.snapshot_copies import Snapshotted
from unishare.evaluation.bench.workload import Function


def copies(*names: str) -> list[Snapshotted]:
    image: Any = None
    return [Snapshotted(Function(name, image, ()), Path(f"/images/{name}/manifest.json"), [f"{name}.json"]) for name in names]


def test_a_case_begins_where_its_name_says() -> None:
    found = {case.name: case for case in launched.cases(copies("hello"), "kvm")}
    assert list(found) == ["empty", "cold hello", "snapshot hello", "parked hello"]
    assert found["empty"].request.empty
    assert found["cold hello"].request.snapshots is None
    assert found["snapshot hello"].request.snapshots == ["hello.json"]
    assert found["parked hello"].parked and found["parked hello"].request.park_ms == launched.PARK_MS
    assert found["snapshot hello"].request.park_ms is None
    assert [case.name for case in launched.cases(copies("hello"), "process")] == ["empty", "cold hello", "snapshot hello"]


def test_the_median_app_is_told_above_an_empty_instance() -> None:
    samples = {"empty": [1.0, 2.0, 9.0], "cold a": [50.0], "snapshot a": [2.5], "snapshot b": [3.0], "snapshot c": [7.0]}
    found = launched.report(samples, {})
    assert found.ratios["snapshot a, ms above empty"] == 0.5
    assert found.ratios["snapshot of the median app, ms above empty"] == 1.0
    assert found.row("cold a").median == 50.0


def test_a_step_has_the_time_since_the_one_before() -> None:
    courses = [[("asked", 10.0), ("forked", 30.0), ("arrived", 100.0)], [("asked", 20.0), ("forked", 60.0), ("arrived", 200.0)]]
    rows = start_steps.step_rows("cold x", courses)
    assert [(row.configuration, row.median) for row in rows] == [
        ("cold x: asked", 15.0),
        ("cold x: forked", 30.0),
        ("cold x: arrived", 105.0),
        ("cold x: all", 150.0),
    ]


def test_steps_side_by_side_are_in_the_order_in_which_they_are_usually_reached() -> None:
    usual = [("mapped", 10.0), ("ready", 20.0), ("confined", 30.0), ("arrived", 40.0)]
    other = [("mapped", 10.0), ("confined", 15.0), ("ready", 20.0), ("arrived", 40.0)]
    rows = start_steps.step_rows("x", [usual, usual, other])
    assert [row.configuration for row in rows] == ["x: mapped", "x: ready", "x: confined", "x: arrived", "x: all"]


@pytest.mark.parametrize("count", [20, 53, 300])
def test_a_fleet_has_every_function_in_equal_parts_and_in_turns(count: int) -> None:
    names = ("a", "b", "c")
    wanted = many_starts.requests(copies(*names), "process", count)
    shares = [sum(request.count for request, function in wanted if function.name == name) for name in names]
    assert sum(shares) == count and max(shares) - min(shares) <= 1
    assert all(request.count <= many_starts.BATCH and request.name == function.name for request, function in wanted)
    assert [function.name for _, function in wanted[:3]] == list(names)


def test_the_rate_is_that_of_answers() -> None:
    found = many_starts.report([many_starts.Round(1.0, 2.0), many_starts.Round(1.0, 4.0)], 1000, {})
    assert found.row("until all have answered").max == 4.0
    assert (found.row("starts and answers a second").max, found.row("starts and answers a second").min) == (500.0, 250.0)


def test_few_samples_have_no_99th_percentile() -> None:
    assert Row.of("x", [1.0] * 99, "ms").p99 is None
    assert Row.of("x", [float(number) for number in range(1, 201)], "ms").p99 == pytest.approx(198.99)
