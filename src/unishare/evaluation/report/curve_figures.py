"""Figures of memory over time, and against the number of instances or of different functions."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from unishare.evaluation.report import numbers as of
from unishare.evaluation.report.measured import Measured
from unishare.evaluation.report.statistics import Summary, fit
from unishare.evaluation.report.style import axes_of, bars, finish, kib, legend_beside, lines, mib

Points = list[tuple[float, float]]


def draw_memory(measured: Measured, folder: Path) -> list[str]:
    """Curves over time, and what an idle instance costs."""
    process = [title for title in measured.titles if not title.endswith("kvm")]
    figure, (left, right) = axes_of(1, 2, width=13, height=5)
    curves = {title: curve(measured, title) for title in process}
    lines(left, curves)
    lines(right, {title: [(x, y) for x, y in points if y >= 1] for title, points in curves.items()}, logarithmic=True)
    for axes in (left, right):
        axes.set_xlabel("seconds since the first start")
        _phases(axes, measured)
    left.set_ylabel("memory of the whole fleet, MiB")
    right.set_ylabel("the same, logarithmic")
    legend_beside(right)
    finish(figure, folder / "memory-over-time.png", "Memory over time, process tender, round 1", measured.fleets)
    figure, (left, right) = axes_of(1, 2, width=13, height=5)
    totals, above, floors = [], [], []
    for title in measured.titles:
        instances = measured.summary(title, "instances", phase="end")
        total = measured.samples(title, "total", phase="end")
        if not instances or not total:
            continue
        totals.append((title, Summary.of([kib(value / instances.median) for value in total])))
        floor_of = of.floor_title(title)
        floor = measured.summary(floor_of, "total", phase="end") if floor_of else None
        floors.append(kib(floor.median / instances.median) if floor else None)
        if not title.startswith("floor") and (values := of.above_floor(measured, title)):
            above.append((title, Summary.of([kib(value / instances.median) for value in values])))
    bars(left, totals, "KiB an instance, idle, everything counted")
    bars(right, above, "KiB an instance above an empty one")
    for place, floor_kib in enumerate(floors):
        if floor_kib is not None:
            left.plot([place - 0.4, place + 0.4], [floor_kib, floor_kib], color="black", linewidth=1.6, linestyle=":")
    left.plot([], [], color="black", linestyle=":", label="an empty instance (floor)")
    left.legend(frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0))
    finish(figure, folder / "memory-idle.png", "Memory of an idle instance", measured.caption)
    return ["memory-over-time.png", "memory-idle.png"]


def _phases(axes: Any, measured: Measured) -> None:
    """Where starting ends and where requests end: the middle of all configurations that are asked."""
    for phase, words in (("requests", "requests"), ("idle", "idle")):
        moments = [
            value for title in measured.titles if not title.startswith("floor")
            for value in measured.samples(title, "began", phase=phase)
        ]  # fmt: skip
        if moments:
            moment = statistics.median(moments)
            axes.axvline(moment, color="0.5", linewidth=0.8, linestyle=":")
            axes.annotate(
                words, (moment, 1), xycoords=("data", "axes fraction"), xytext=(2, -9), textcoords="offset points", fontsize=8
            )


def draw_growth(measured: Measured, folder: Path) -> list[str]:
    """Pages that are alone and pages that are not, by number of instances."""
    figure, (left, right) = axes_of(1, 2, width=11)
    for axes, measure, words in ((left, "unshared", "alone in their content"), (right, "shareable", "also somewhere else")):
        curves = {title: _by_number(measured, title, measure) for title in measured.titles if not title.startswith("pool")}
        for title in measured.titles:
            if title.startswith("pool"):
                alone = _by_number(measured, title, "frames private")
                mapped = _by_number(measured, title, "mapped")
                really = [(number, all_of - own) for (number, all_of), (_, own) in zip(mapped, alone, strict=True)]
                curves[f"{title}, by frame" if axes is left else f"{title}, really shared"] = alone if axes is left else really
        lines(axes, curves, marks=True)
        axes.set_xlabel("different unikernels")
        axes.set_ylabel(f"pages {words}, MiB (zero pages apart)")
        axes.legend(frameon=False, fontsize=8)
    finish(figure, folder / "growth.png", "Pages while more and more different unikernels start", measured.fleets)
    return ["growth.png"]


def _by_number(measured: Measured, title: str, measure: str) -> Points:
    """MiB by number of instances."""
    return [
        (float(number), mib(measured.samples(title, measure, subject=number)[0] * 4096))
        for number in measured.subjects(title, measure)
    ]


def draw_deduplication(measured: Measured, folder: Path) -> list[str]:
    """How memory falls while KSM works, and its processor time; what needs no merging is a line at its height."""
    figure, (left, right) = axes_of(1, 2, width=11)
    curves = {title: curve(measured, title) for title in measured.titles}
    last = max((x for points in curves.values() for x, _ in points), default=0.0)
    lines(
        left,
        {title: points if len(points) > 1 else [*points, *((last, y) for _, y in points)] for title, points in curves.items()},
    )
    lines(right, {title: curve(measured, title, "ksmd", 1.0) for title in measured.titles if "ksm" in title})
    left.set_ylabel("memory of the whole fleet, MiB")
    right.set_ylabel("ksmd's processor time, seconds")
    for axes in (left, right):
        axes.set_xlabel("seconds since merging began, logarithmic above 0.1")
        axes.set_xscale("symlog", linthresh=0.1)
        axes.set_xlim(left=0)
    legend_beside(left, below=True)
    finish(figure, folder / "deduplication.png", "Until equal pages are found (burn-down)", measured.fleets)
    return ["deduplication.png"]


def draw_scale(measured: Measured, folder: Path) -> list[str]:
    """Readings and the fitted lines."""
    figure, pair = axes_of(1, 2, width=12, height=5)
    for axes, what in zip(pair, ("instances", "functions"), strict=True):
        curves, fits = {}, {}
        for title in measured.titles:
            points = [(number, mib(value)) for number, value in of.scale_points(measured, title, what)]
            if points:
                line = fit(points)
                label = title
                if line:
                    label = f"{title}: {line.slope * 1024:.0f} KiB each ({line.slope_low * 1024:.0f} to {line.slope_high * 1024:.0f})"
                    fits[label] = [(x, line.intercept + line.slope * x) for x in (points[0][0], points[-1][0])]
                curves[label] = points
        lines(axes, curves, marks=True, joined=False)
        for points in fits.values():
            axes.plot([x for x, _ in points], [y for _, y in points], color="black", linewidth=0.8)
        axes.set_xlabel("instances, all different" if what == "instances" else "different functions among as many instances")
        axes.set_ylabel("memory of the whole fleet, MiB")
        if curves:
            axes.legend(frameon=False, fontsize=8)
    caption = f"{measured.fleets}; lines by least squares, in brackets 95 % confidence of the slope"
    finish(figure, folder / "scale.png", "Memory against the number of instances, and of different functions", caption)
    return ["scale.png"]


def curve(measured: Measured, title: str, measure: str = "total", unit: float = 1 << 20) -> Points:
    """A curve of the first round."""
    parts = measured.of(title)
    return (
        [
            (reading.time_s, reading.value / unit)
            for reading in parts[0].readings
            if reading.phase == "curve" and reading.measure == measure
        ]
        if parts
        else []
    )
