"""README says what the published report says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unishare.evaluation.report.headline import MARK, headline, with_marks, wrong_marks
from unishare.evaluation.report.measured import Number

ROOT = Path(__file__).resolve().parents[3]
REPORT = ROOT / "docs" / "evaluation" / "report.json"


def test_readme_says_what_the_report_says() -> None:
    if not REPORT.is_file():
        pytest.skip("docs/evaluation/report.json is not there: no full evaluation has been published yet")
    text = (ROOT / "README.md").read_text()
    assert MARK.search(text), "README has no marks"
    assert wrong_marks(text, json.loads(REPORT.read_text())) == []


def test_a_wrong_text_is_found_and_mended() -> None:
    numbers = {
        "memory": [
            Number("pool aslr", "each", "bytes", 200 << 10, 0, 0, 3),
            Number("default", "each", "bytes", 1000 << 10, 0, 0, 3),
        ]
    }
    report = {"headline": headline(numbers)}
    assert report["headline"] == {"idle-default": "1,000 KiB", "idle-pool-aslr": "200 KiB", "times-less": "5.0"}
    page = "An instance takes <!-- evaluation: idle-pool-aslr -->100 KiB<!-- / -->, <!-- evaluation: times-less -->5.0<!-- / --> times less."
    assert wrong_marks(page, report) == ["idle-pool-aslr: the page says '100 KiB', the report '200 KiB'"]
    assert wrong_marks(with_marks(page, report), report) == []
