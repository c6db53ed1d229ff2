"""How all figures look: no colours that a printer loses. matplotlib is an extra of the package and loaded when a figure is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from unishare.evaluation.report.statistics import Summary

_SHADES = ("0.0", "0.35", "0.6", "0.15", "0.5", "0.75")
_DASHES = ("-", "--", ":", "-.")
_MARKS = ("o", "s", "^", "D", "v", "x", "P", "*", "<", ">", "h", "+", "1", "2")
# What a bar is of shows in its filling: the floor empty, copies hatched, merged ones dotted, the pool's full.
_FILLINGS = {"floor": ("1.0", ""), "copy": ("0.85", "//"), "ksm": ("0.7", ".."), "pool": ("0.35", "")}


def axes_of(rows: int, columns: int, *, width: float, height: float = 4.4) -> tuple[Any, Any]:
    """A figure and its axes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot.subplots(rows, columns, figsize=(width, height), layout="constrained")


def lines(
    axes: Any,
    curves: Mapping[str, Sequence[tuple[float, float]]],
    *,
    marks: bool = False,
    joined: bool = True,
    logarithmic: bool = False,
) -> None:
    """Named curves, told apart by shade, dash and mark. `marks`: at every point. `joined`: a line through the points."""
    for number, (label, points) in enumerate(curves.items()):
        axes.plot(
            [x for x, _ in points], [y for _, y in points], label=label, color=_SHADES[number % len(_SHADES)],
            linestyle=_DASHES[number % len(_DASHES)] if joined else "none", marker=_MARKS[number % len(_MARKS)],
            markersize=4 if joined else 5, markevery=1 if marks else max(1, len(points) // 8), linewidth=1.3,
        )  # fmt: skip
    if logarithmic:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)


def legend_beside(axes: Any, *, below: bool = False) -> None:
    """A legend that covers no curve."""
    if below:
        axes.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)
    else:
        axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))


def bars(axes: Any, groups: Sequence[tuple[str, Summary]], words: str, *, digits: int = 0) -> None:
    """A bar each, its number above, a whisker from the least to the most."""
    for place, (title, summary) in enumerate(groups):
        shade, hatch = _FILLINGS[_kind(title)]
        axes.bar(
            place, summary.median, 0.8, color=shade, hatch=hatch, edgecolor="black",
            yerr=[[max(0.0, summary.median - summary.low)], [max(0.0, summary.high - summary.median)]], capsize=3,
        )  # fmt: skip
        shown = f"{summary.median:,.{digits}f}" if digits or abs(summary.median) >= 10 else f"{summary.median:.3g}"
        axes.annotate(shown, (place, summary.high), textcoords="offset points", xytext=(0, 3), ha="center", fontsize=8)
    axes.set_xticks(range(len(groups)), [title for title, _ in groups], rotation=38, ha="right", fontsize=8)
    axes.set_ylabel(words)
    axes.margins(y=0.12)
    axes.spines[["top", "right"]].set_visible(False)


def ranges(axes: Any, rows: Sequence[tuple[str, Sequence[float]]]) -> None:
    """A row each of p5, p50, p95 and p99, from the top, with p50 and p99 in numbers; logarithmic."""
    for place, (_, (low, middle, high, rare)) in enumerate(rows):
        axes.plot([low, high], [place, place], color="black", linewidth=1.5)
        axes.plot(middle, place, marker="o", color="black", label=None if place else "p50", linestyle="none")
        axes.plot(
            rare, place, marker="^", markerfacecolor="white", color="black", label=None if place else "p99", linestyle="none"
        )
        axes.annotate(
            f"{middle:.2f}, p99 {rare:.2f}", (1.0, place), xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points",
            va="center", fontsize=8, annotation_clip=False,
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), [title for title, _ in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.legend(frameon=False, loc="upper right")
    axes.spines[["top", "right"]].set_visible(False)


def _kind(title: str) -> str:
    """Which filling a configuration has; peers and layouts are as copies."""
    first = title.split()[0]
    return first if first in ("floor", "pool") else "ksm" if "+ksm" in first else "copy"


def finish(figure: Any, file: Path, title: str, caption: str) -> None:
    """Write it."""
    from matplotlib import pyplot

    figure.suptitle(title, fontsize=12)
    figure.supxlabel(caption, fontsize=8)
    figure.savefig(file, dpi=130, metadata={"Software": None})
    pyplot.close(figure)


def kib(size: float) -> float:
    """Bytes as KiB."""
    return size / 1024


def mib(size: float) -> float:
    """Bytes as MiB."""
    return size / (1 << 20)
