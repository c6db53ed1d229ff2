"""The figures. Each is drawn from numbers and curves of one scenario, in shades, hatches and marks that differ in black and white too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from unishare.evaluation.report import numbers as of
from unishare.evaluation.report.measured import Measured
from unishare.evaluation.report.statistics import Summary, fit, percentile
from unishare.evaluation.report.style import axes_of, bars, finish, kib, lines, mib

MOST_LIBRARIES = 20


def draw_memory(measured: Measured, folder: Path) -> list[str]:
    """Curves over time, and what an idle instance costs."""
    process = [title for title in measured.titles if not title.endswith("kvm")]
    figure, (left, right) = axes_of(1, 2, width=11)
    curves = {title: _curve(measured, title) for title in process}
    lines(left, curves)
    lines(right, {title: [(x, y) for x, y in points if y > 0] for title, points in curves.items()})
    right.set_yscale("log")
    for axes in (left, right):
        axes.set_xlabel("seconds since the first start")
    left.set_ylabel("memory of the whole fleet, MiB")
    left.legend(fontsize=7, frameon=False)
    finish(figure, folder / "memory-over-time.png", "Memory over time, process tender, round 1", measured.caption)
    groups = []
    for title in measured.titles:
        instances = measured.summary(title, "instances", phase="end")
        total = measured.samples(title, "total", phase="end")
        floor = measured.summary(of.floor_title(title), "total", phase="end")
        if instances and total:
            values = [kib(value / instances.median) for value in total]
            groups.append((title, Summary.of(values), kib(floor.median / instances.median) if floor else 0.0))
    figure, axes = axes_of(1, 1, width=8)
    bars(axes, [(title, summary) for title, summary, _ in groups], "KiB an instance, idle")
    for place, (_, _, floor_kib) in enumerate(groups):
        axes.plot([place - 0.4, place + 0.4], [floor_kib, floor_kib], color="black", linewidth=1.6, linestyle=":")
    axes.plot([], [], color="black", linestyle=":", label="an empty instance (floor)")
    axes.legend(frameon=False)
    finish(figure, folder / "memory-idle.png", "Memory of an idle instance, everything counted", measured.caption)
    return ["memory-over-time.png", "memory-idle.png"]


def draw_growth(measured: Measured, folder: Path) -> list[str]:
    """Pages that are alone and pages that are not, by number of instances."""
    figure, (left, right) = axes_of(1, 2, width=11)
    for axes, measure, words in ((left, "unshared", "alone in their content"), (right, "shareable", "also somewhere else")):
        curves = {}
        for title in measured.titles:
            if not title.startswith("pool"):
                curves[title] = [
                    (float(number), mib(measured.samples(title, measure, subject=number)[0] * 4096))
                    for number in measured.subjects(title, measure)
                ]
            elif axes is left:
                frames = [
                    (number, measured.samples(title, "frames private", subject=number)[0])
                    for number in measured.subjects(title, "frames private")
                ]
                curves[f"{title}: frames of one only"] = [(float(number), mib(count * 4096)) for number, count in frames]
        lines(axes, curves)
        axes.set_xlabel("different unikernels")
        axes.set_ylabel(f"pages {words}, MiB (zero pages apart)")
        axes.legend(frameon=False, fontsize=8)
    finish(figure, folder / "growth.png", "Pages while more and more different unikernels start", measured.caption)
    return ["growth.png"]


def draw_tlb(measured: Measured, folder: Path) -> list[str]:
    """Flushes by ksmd and by the instances."""
    figure, (left, right) = axes_of(1, 2, width=11)
    for axes, measures, words in (
        (left, ("by ksmd",), "flushes by ksmd"),
        (right, ("by instances local", "by instances asked"), "flushes by the instances"),
    ):
        groups = []
        for title in measured.titles:
            sums = [sum(part.value(measure) or 0 for measure in measures) for part in measured.of(title)]
            groups.append((title, Summary.of(sums)))
        bars(axes, groups, words)
        axes.set_yscale("symlog", linthresh=1)
    finish(figure, folder / "tlb.png", "TLB flushes for the same work", measured.caption)
    return ["tlb.png"]


def draw_sizes(measured: Measured, folder: Path) -> list[str]:
    """The file against the default layout's."""
    figure, axes = axes_of(1, 1, width=6)
    groups = [(title, Summary.of(ratios)) for title in measured.titles if (ratios := of.size_ratios(measured, title))]
    bars(axes, groups, "file / file under the default layout", digits=3)
    axes.axhline(1, color="black", linewidth=0.8, linestyle="--")
    finish(
        figure,
        folder / "sizes.png",
        "Size of the ELF file",
        f"{len(measured.scenario.apps)} apps; medians, bars from least to most",
    )
    return ["sizes.png"]


def draw_speed(measured: Measured, folder: Path) -> list[str]:
    """Work a second against the default layout's: bars over rounds, a dot an app."""
    figure, axes = axes_of(1, 1, width=6)
    found = [
        (layout, summary)
        for layout in ("dce", "aligned", "aslr")
        for title in measured.titles
        if (summary := measured.summary(title, f"ratio {layout}/default"))
    ]
    bars(axes, found, "work a second / the default layout's", digits=3)
    for place, (layout, _) in enumerate(found):
        for part in measured.parts:
            for app in dict.fromkeys(reading.subject for reading in part.readings if reading.measure == f"work {layout}"):
                above, below = part.value(f"work {layout}", subject=app), part.value("work default", subject=app)
                if above and below:
                    axes.plot(place, above / below, marker="_", color="black", alpha=0.35)
    axes.axhline(1, color="black", linewidth=0.8, linestyle="--")
    axes.set_ylim(0.8, 1.25)
    finish(figure, folder / "speed.png", "Speed under each layout", f"{measured.caption}; a dash is an app in a round")
    return ["speed.png"]


def draw_start(measured: Measured, folder: Path) -> list[str]:
    """Medians, and where the slowest hundredth begins."""
    figure, axes = axes_of(1, 1, width=8)
    groups, marks = [], []
    for title in measured.titles:
        samples = measured.samples(title, "first answer") or measured.samples(title, "wake")
        if samples:
            groups.append(
                (title, Summary(percentile(samples, 50), percentile(samples, 5), percentile(samples, 95), len(samples)))
            )
            marks.append(percentile(samples, 99))
    bars(axes, groups, "milliseconds to the first answer", digits=2)
    axes.plot(range(len(marks)), marks, linestyle="none", marker="^", color="black", label="p99")
    axes.legend(frameon=False)
    caption = f"{measured.caption}; bars here from p5 to p95"
    finish(figure, folder / "start.png", "Start to first answer through a running launcher", caption)
    return ["start.png"]


def draw_libraries(measured: Measured, folder: Path) -> list[str]:
    """What instances map of a library, and what is stored for it."""
    title = measured.titles[0]
    rows = []
    for library in measured.subjects(title, "mapped"):
        mapped, stored = (measured.samples(title, measure, subject=library)[0] for measure in ("mapped", "stored"))
        rows.append((library, mapped, stored))
    rows = sorted(rows, key=lambda row: row[1], reverse=True)[:MOST_LIBRARIES]
    figure, axes = axes_of(1, 1, width=8, height=5.5)
    places = range(len(rows))
    axes.barh(
        places, [mib(row[1]) for row in rows], color="0.75", hatch="//", edgecolor="black", label="mapped by all instances"
    )
    axes.barh(places, [mib(row[2]) for row in rows], color="black", label="in memory once")
    axes.set_yticks(places, [row[0] for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("MiB")
    axes.legend(frameon=False)
    functions = getattr(measured.scenario, measured.size).functions
    note = f"one instance of each of {functions} functions, layout {title}; from manifests, nothing measured"
    finish(
        figure,
        folder / "libraries.png",
        "What each library saves",
        note if measured.size == "full" else f"{measured.size.upper()} RUN: {note}",
    )
    return ["libraries.png"]


def draw_deduplication(measured: Measured, folder: Path) -> list[str]:
    """How memory falls while KSM works, and its processor time."""
    figure, (left, right) = axes_of(1, 2, width=11)
    lines(left, {title: _curve(measured, title) for title in measured.titles})
    lines(right, {title: _curve(measured, title, "ksmd", 1.0) for title in measured.titles if "ksm" in title})
    left.set_ylabel("memory of the whole fleet, MiB")
    right.set_ylabel("seconds of ksmd's processor time")
    for axes in (left, right):
        axes.set_xlabel("seconds since merging began")
    left.legend(frameon=False, fontsize=8)
    finish(figure, folder / "deduplication.png", "Until equal pages are found (burn-down)", measured.caption)
    return ["deduplication.png"]


def draw_scale(measured: Measured, folder: Path) -> list[str]:
    """Readings and the fitted lines."""
    figure, pair = axes_of(1, 2, width=11)
    for axes, what in zip(pair, ("instances", "functions"), strict=True):
        curves = {}
        for title in measured.titles:
            points = [(number, mib(value)) for number, value in of.scale_points(measured, title, what)]
            if points:
                line = fit(points)
                label = f"{title}: {line.slope * 1024:.0f} KiB each" if line else title
                curves[label] = points
        lines(axes, curves, marks=True)
        axes.set_xlabel("instances, all different" if what == "instances" else "different functions among as many instances")
        axes.set_ylabel("memory of the whole fleet, MiB")
        axes.legend(frameon=False, fontsize=8)
    finish(figure, folder / "scale.png", "Memory against the number of instances, and of different functions", measured.caption)
    return ["scale.png"]


def draw_peers(measured: Measured, folder: Path) -> list[str]:
    """Memory and start, on logarithmic axes."""
    found = of.peers(measured)
    figure, (left, right) = axes_of(1, 2, width=11)
    for axes, measure, words, unit in (
        (left, "memory each", "KiB an instance", 1024.0),
        (right, "first answer p50", "milliseconds, start to first answer", 1.0),
    ):
        groups = [
            (number.configuration, Summary(number.median / unit, number.low / unit, number.high / unit, number.n))
            for number in found
            if number.measure == measure
        ]
        bars(axes, groups, words)
        if groups:
            axes.set_yscale("log")
    finish(figure, folder / "peers.png", "The same small function elsewhere", measured.caption)
    return ["peers.png"]


def _curve(measured: Measured, title: str, measure: str = "total", unit: float = 1 << 20) -> list[tuple[float, float]]:
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


FIGURES: dict[str, Callable[[Measured, Path], Sequence[str]]] = {
    "memory": draw_memory,
    "growth": draw_growth,
    "tlb": draw_tlb,
    "sizes": draw_sizes,
    "speed": draw_speed,
    "start": draw_start,
    "libraries": draw_libraries,
    "deduplication": draw_deduplication,
    "scale": draw_scale,
    "peers": draw_peers,
}
