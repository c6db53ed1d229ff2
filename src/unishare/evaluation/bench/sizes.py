"""`bench sizes`: what layouts cost on disk, over all built apps of the catalogue. Nothing is timed: every sample is an app."""

from __future__ import annotations

from collections.abc import Sequence

from unishare.evaluation.bench.report import BenchReport, Row, environment
from unishare.inspect.sizes import Sizes, geometric_means, ratios_of_apps

FIELDS = ("file", "loaded", "holes", "added", "tables")


def bench_sizes(rows: Sequence[Sizes]) -> BenchReport:
    """Summarise; ratios are geometric means over apps, their rows show the apps' spread."""
    layouts = list(dict.fromkeys(row.layout for row in rows))
    summary = [
        Row.of(f"{layout} {field}", [getattr(row, field) for row in rows if row.layout == layout], "bytes")
        for layout in layouts
        for field in FIELDS
    ]
    ratios = ratios_of_apps(rows)
    summary += [Row.of(name, list(values.values()), "ratio") for name, values in ratios.items()]
    apps = list(dict.fromkeys(row.app for row in rows))
    return BenchReport(bench="sizes", environment=environment(apps=apps), rows=summary, ratios=geometric_means(ratios))
