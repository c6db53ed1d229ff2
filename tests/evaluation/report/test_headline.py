"""README says what the published report says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unishare.errors import BadInputError
from unishare.evaluation.report.headline import BEGIN, END, block, headline, with_block, written_block
from unishare.evaluation.report.measured import ReportNumber

ROOT = Path(__file__).resolve().parents[3]
REPORT = ROOT / "docs" / "evaluation" / "report.json"


def test_readme_says_what_the_report_says() -> None:
    written = written_block((ROOT / "README.md").read_text())
    assert written is not None, "README has no place for the headline"
    if not REPORT.is_file():
        pytest.skip("docs/evaluation/report.json is not there: no full evaluation has been published yet")
    assert written == block(json.loads(REPORT.read_text()), "docs/evaluation")
    assert (REPORT.parent / "memory-idle.png").is_file()


def test_the_headline_is_of_what_was_measured() -> None:
    def number(title: str, measure: str, value: float) -> ReportNumber:
        return ReportNumber(title, measure, "bytes", value, value, value, 3)

    numbers = {
        "memory": [
            number("pool aslr", "each", 200 << 10),
            number("pool aslr", "instances", 1000),
            number("default", "each", 1000 << 10),
        ]
    }
    report = {"headline": headline(numbers)}
    page = with_block(f"before {BEGIN}old{END} after", report, "docs/evaluation")
    assert page.startswith(f"before {BEGIN}\n1,000 different functions") and page.endswith(f"{END} after")
    assert "| linked as usual | 1,000 |" in page and "| shared from the pool, random addresses | 200 |" in page
    assert "KSM" not in page and "Work a second" not in page
    assert with_block(page, report, "docs/evaluation") == page
    report["headline"]["pool aslr"] = "201"
    assert with_block(page, report, "docs/evaluation") != page


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(BadInputError, match="no marks"):
        with_block("nothing", {"headline": {}}, "docs")
