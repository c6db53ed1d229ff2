"""Benchmarks print the one form of report that programs read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from unishare.cli.bench_options import print_report
from unishare.cli.commands import cli
from unishare.errors import NotFoundError
from unishare.evaluation.bench.report import BenchReport, Row


def test_the_map_benchmark_reports_in_the_common_form(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        cli, ["--home", str(tmp_path), "bench", "map", "--versions", "80", "--apps", "12", "--quick", "--json"]
    )
    assert done.exit_code == 0, done.output
    report = BenchReport.model_validate(json.loads(done.stdout))
    assert report.bench == "map"
    assert report.environment["versions"] == 80
    assert report.row("load all").n == 3
    assert report.row("windows").max <= report.row("addresses").max
    assert not list(tmp_path.iterdir())


def test_sizes_of_nothing_say_what_to_build(tmp_path: Path) -> None:
    (tmp_path / "pool").mkdir()
    done = CliRunner().invoke(cli, ["--home", str(tmp_path), "bench", "sizes"])
    assert isinstance(done.exception, NotFoundError)
    assert "unishare build" in str(done.exception.hint)


def test_rows_of_few_samples_have_no_percentile_beside_rows_of_many(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [Row.of("many", [float(number) for number in range(200)], "ms"), Row.of("few", [1.0, 77.0], "ms")]
    print_report(BenchReport(bench="x", environment={}, rows=rows, ratios={}), as_json=False)
    header, many, few = (
        line for line in capsys.readouterr().out.splitlines() if line.split()[:1] in (["configuration"], ["many"], ["few"])
    )
    assert "p99" in header
    assert "197.99 ms" in many
    assert few.count("77.00 ms") == 1
