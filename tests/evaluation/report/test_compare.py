"""Two reports agree where their spreads meet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unishare.errors import BadInputError
from unishare.evaluation.report.compare import agree, differences


def report(median: float, low: float, high: float) -> dict[str, Any]:
    one = {
        "configuration": "dce",
        "subject": "",
        "measure": "each",
        "unit": "KiB",
        "median": median,
        "low": low,
        "high": high,
        "n": 3,
    }
    return {"size": "full", "scenarios": {"memory": {"numbers": [one]}}}


@pytest.mark.parametrize(
    ("theirs", "agrees"), [((100, 95, 105), True), ((111, 106, 112), True), ((102.5, 102, 103), True), ((120, 118, 125), False)]
)
def test_spreads_that_meet_agree(tmp_path: Path, theirs: tuple[float, float, float], agrees: bool) -> None:
    (tmp_path / "report.json").write_text(json.dumps(report(*theirs)))
    said = differences(report(101, 99, 107) if theirs[0] == 111 else report(100, 99, 101), tmp_path / "report.json")
    assert said[0].startswith("1 of 1" if agrees else "0 of 1")
    assert len(said) == (1 if agrees else 2)


@pytest.mark.parametrize(
    ("unit", "ours", "theirs", "agrees"),
    [
        ("flushes", 2, 6, True),
        ("flushes", 346, 480, False),
        ("ms", 1.0, 1.2, True),
        ("ms", 1.0, 1.6, False),
        ("bytes", 200_000, 203_000, True),
    ],
)
def test_what_differs_a_little_agrees(unit: str, ours: float, theirs: float, agrees: bool) -> None:
    first, second = ({"unit": unit, "median": value, "low": value, "high": value} for value in (ours, theirs))
    assert agree(first, second) is agrees


@pytest.mark.parametrize("text", ["", "[]", '{"scenarios": 3}', "{"])
def test_what_is_no_report_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(BadInputError, match="not a report"):
        differences(report(1, 1, 1), tmp_path / "report.json")
