"""What the benchmarks' commands have in common: how often they measure, of which functions, and how a report is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from unishare.cli.session import Session, bytes_text, print_table

if TYPE_CHECKING:
    from unishare.evaluation.bench.report import BenchReport
    from unishare.evaluation.bench.workload import Function

rounds_option = click.option("--rounds", type=click.IntRange(1, 1000), help="How often each configuration is measured.")
quick_option = click.option("--quick", is_flag=True, help="Fewer and shorter rounds: a look, not a result.")


def built_functions(session: Session, layout: str, names: Sequence[str] | None = None) -> list[Function]:
    """The six functions, or those named, built if they are not yet."""
    from unishare.cli.build import build_apps
    from unishare.evaluation.bench.workload import FUNCTIONS, load_functions

    build_apps(session, names or FUNCTIONS, layout)
    return load_functions(session.settings, names or FUNCTIONS, layout)


def print_report(report: BenchReport, as_json: bool) -> None:
    """As a table, or as one JSON object."""
    if as_json:
        click.echo(report.model_dump_json(indent=2))
        return
    percentiles = any(row.p99 is not None for row in report.rows)
    rows = []
    for row in report.rows:
        values = [row.median, *([row.p99] if percentiles else []), row.min, row.max]
        rows.append([row.configuration, *("" if value is None else _value(value, row.unit) for value in values), row.n])
    columns = ["median#", *(["p99#"] if percentiles else []), "min#", "max#"]
    print_table(["configuration", *columns, "n#"], rows, title=f"bench {report.bench}")
    if report.ratios:
        print_table(["ratio", "value#"], [[name, f"{value:.3f}"] for name, value in report.ratios.items()])


def _value(value: float, unit: str) -> str:
    if unit == "bytes":
        return bytes_text(value)
    if unit in ("ratio", "p", "share"):
        return f"{value:.3f}" if unit == "ratio" else f"{value:.4f} {unit}"
    return f"{value:,.0f} {unit}" if abs(value) >= 100_000 else f"{value:.2f} {unit}"
