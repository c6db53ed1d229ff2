"""How all figures look: no colours that a printer loses. matplotlib is an extra of the package and loaded when a figure is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from unishare.evaluation.report.statistics import Summary

_SHADES = ("0.0", "0.35", "0.6", "0.15", "0.5", "0.75")
_DASHES = ("-", "--", ":", "-.")
_MARKS = ("o", "s", "^", "D", "v", "x", "P", "*", "<", ">", "h", "+", "1", "2")
_HATCHES = ("", "//", "\\\\", "xx", "..", "--", "++", "oo", "||", "OO", "**", "/.", "\\|", "-x")
_FILLS = ("0.85", "0.7", "0.55", "0.95")


def axes_of(rows: int, columns: int, *, width: float, height: float = 4.4) -> tuple[Any, Any]:
    """A figure and its axes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot.subplots(rows, columns, figsize=(width, height), layout="constrained")


def lines(axes: Any, curves: Mapping[str, Sequence[tuple[float, float]]], *, marks: bool = False) -> None:
    """Named curves, told apart by shade, dash and mark."""
    for number, (label, points) in enumerate(curves.items()):
        axes.plot(
            [x for x, _ in points], [y for _, y in points], label=label, color=_SHADES[number % len(_SHADES)],
            linestyle=_DASHES[number % len(_DASHES)], marker=_MARKS[number % len(_MARKS)], markersize=4,
            markevery=1 if marks else max(1, len(points) // 8), linewidth=1.3,
        )  # fmt: skip
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)


def bars(axes: Any, groups: Sequence[tuple[str, Summary]], words: str, *, digits: int = 0) -> None:
    """A bar each, its number above, a whisker from the least to the most."""
    for place, (_, summary) in enumerate(groups):
        axes.bar(
            place, summary.median, 0.8, color=_FILLS[place % len(_FILLS)], hatch=_HATCHES[place % len(_HATCHES)], edgecolor="black",
            yerr=[[max(0.0, summary.median - summary.low)], [max(0.0, summary.high - summary.median)]], capsize=3,
        )  # fmt: skip
        shown = f"{summary.median:,.{digits}f}" if digits or abs(summary.median) >= 10 else f"{summary.median:.3g}"
        axes.annotate(shown, (place, summary.high), textcoords="offset points", xytext=(0, 3), ha="center", fontsize=8)
    axes.set_xticks(range(len(groups)), [title for title, _ in groups], rotation=38, ha="right", fontsize=8)
    axes.set_ylabel(words)
    axes.margins(y=0.12)
    axes.spines[["top", "right"]].set_visible(False)


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
