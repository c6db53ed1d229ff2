"""Tables, and the published page: what it says is what report.json says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unishare.evaluation.report.numbers import floor_title
from unishare.evaluation.report.published import NAME, published_page
from unishare.evaluation.report.style import axes_of, lines
from unishare.evaluation.report.tables import table

PUBLISHED = Path(__file__).resolve().parents[3] / "docs" / "evaluation"


def number(configuration: str, measure: str, median: float, low: float, high: float, subject: str = "") -> dict[str, Any]:
    return {"configuration": configuration, "measure": measure, "median": median, "low": low, "high": high, "subject": subject}


def test_rows_are_configurations_and_spreads_are_shown() -> None:
    numbers = [
        number("dce", "each", 2048, 1024, 4096),
        number("pool aslr", "each", 204_800, 204_800, 204_800),
        number("pool aslr", "pool in use", 3 << 20, 3 << 20, 3 << 20),
        number("pool aslr", "no column", 1, 1, 1),
        number("of one app", "each", 1, 1, 1, subject="gzip"),
    ]
    assert table("memory", numbers) == (
        ["configuration", "KiB an instance", "pool's pages, MiB in all"],
        [["dce", "2 (1 to 4)", ""], ["pool aslr", "200", "3"]],
    )
    assert table("growth", numbers) is None
    # A percentile's least and most are the samples', and no spread of its own.
    assert table("start", [number("pool aslr", "first answer p99", 2.5, 1, 90)]) == (
        ["configuration", "p99, ms"],
        [["pool aslr", "2.5"]],
    )


def test_the_published_page_is_that_of_the_report() -> None:
    if not (PUBLISHED / "report.json").is_file():
        pytest.skip("docs/evaluation/report.json is not there: nothing has been published yet")
    report = json.loads((PUBLISHED / "report.json").read_text())
    page = (PUBLISHED / NAME).read_text()
    assert page == published_page(report)
    for section in report["scenarios"].values():
        for figure in section["figures"]:
            assert (PUBLISHED / figure).is_file() and f"]({figure})" in page


def test_what_idles_parked_is_above_a_parked_floor() -> None:
    assert floor_title("pool aslr parked kvm") is None
    assert floor_title("pool aslr kvm") == "floor kvm" and floor_title("dce+ksm") == "floor process"


def test_a_logarithmic_axis_begins_above_nothing() -> None:
    _, axes = axes_of(1, 1, width=3)
    lines(axes, {"a": [(0, 2), (1, 300)]}, logarithmic=True)
    assert axes.get_yscale() == "log" and 0 < axes.get_ylim()[0] <= 2
