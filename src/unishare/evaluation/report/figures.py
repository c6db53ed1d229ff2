"""The figures, by kind of scenario: those of a few bars here, those of curves over time or number in curve_figures.py.

Shades, hatches and marks differ in black and white too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from unishare.evaluation.report import numbers as of
from unishare.evaluation.report.curve_figures import draw_deduplication, draw_growth, draw_memory, draw_scale
from unishare.evaluation.report.measured import Measured
from unishare.evaluation.report.statistics import Summary, percentile
from unishare.evaluation.report.style import axes_of, bars, finish, mib, ranges

MOST_LIBRARIES = 20


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
        axes.set_ylabel(f"{words} (log)")
    size = measured.parts[0].facts["size"]
    work = f"{size.get('requests')} requests each in {size.get('seconds'):g} s"
    finish(figure, folder / "tlb.png", f"TLB flushes for the same work: {work}", measured.caption)
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
    """Work a second against the default layout's: the mean over apps with its whisker over rounds, and each app's median beside it."""
    figure, axes = axes_of(1, 1, width=7)
    found = [
        (layout, summary)
        for layout in ("dce", "aligned", "aslr")
        for title in measured.titles
        if (summary := measured.summary(title, f"ratio {layout}/default"))
    ]
    for place, (layout, summary) in enumerate(found):
        axes.errorbar(
            place, summary.median, yerr=[[summary.median - summary.low], [summary.high - summary.median]],
            marker="D", markersize=7, color="black", capsize=5,
        )  # fmt: skip
        axes.annotate(f"{summary.median:.3f}", (place, summary.median), textcoords="offset points", xytext=(10, -3), fontsize=9)
        for app in dict.fromkeys(reading.subject for part in measured.parts for reading in part.readings if reading.subject):
            ratios = [
                above / below for part in measured.parts
                if (above := part.value(f"work {layout}", subject=app)) and (below := part.value("work default", subject=app))
            ]  # fmt: skip
            if ratios:
                axes.plot(place - 0.15, Summary.of(ratios).median, marker="_", markersize=9, color="0.3")
    axes.axhline(1, color="black", linewidth=0.8, linestyle="--")
    axes.set_xticks(range(len(found)), [layout for layout, _ in found])
    axes.set_xlim(-0.5, len(found) - 0.5)
    axes.set_ylabel("work a second / the default layout's")
    axes.spines[["top", "right"]].set_visible(False)
    caption = f"{measured.fleets}; mean over apps, median and least to most of rounds; a dash is an app's median"
    finish(figure, folder / "speed.png", "Speed under each layout", caption)
    return ["speed.png"]


def draw_start(measured: Measured, folder: Path) -> list[str]:
    """Half of the starts are faster than the dot, one of a hundred is slower than the triangle."""
    figure, axes = axes_of(1, 1, width=9)
    rows = []
    for title in measured.titles:
        for measure in ("first answer", "wake"):
            if samples := measured.samples(title, measure):
                points = [percentile(samples, percent) for percent in (5, 50, 95, 99)]
                rows.append((f"{title}, woken" if measure == "wake" else title, points))
    ranges(axes, rows)
    axes.set_xlabel("milliseconds from the request to the first answer, logarithmic")
    caption = f"{measured.fleets}; line from p5 to p95, dot p50, triangle p99"
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
        places,
        [mib(row[1]) for row in rows],
        color="0.75",
        hatch="//",
        edgecolor="black",
        label="mapped, counted for each instance",
    )
    axes.barh(places, [mib(row[2]) for row in rows], color="black", label="stored in the pool, once")
    axes.set_yticks(places, [row[0] for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("MiB, logarithmic")
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
            axes.set_ylabel(f"{words} (log)")
    finish(figure, folder / "peers.png", "The same small function elsewhere", measured.caption)
    return ["peers.png"]


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
