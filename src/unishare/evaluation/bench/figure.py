"""The demonstration's figure: what a fleet takes, with and without sharing, under each tender."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from unishare.evaluation.bench.memory import Configuration, MemorySample

_COLOURS = {"floor": "#9aa5b1", "copy": "#d1495b", "pool": "#2a7f9e"}
_MEANINGS = {"floor": "empty (floor)", "copy": "private copies", "pool": "shared pool"}


def draw_memory(results: Mapping[str, Mapping[Configuration, MemorySample]], count: int, file: Path) -> None:
    """Write a PNG: one group of bars a tender, one bar a configuration."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(3.2 + 2.6 * len(results), 4.2), layout="constrained")
    width = 0.26
    for offset, configuration in enumerate(_COLOURS):
        heights = [samples[configuration].total / (1 << 20) for samples in results.values()]  # type: ignore[index]
        places = [group + (offset - 1) * width for group in range(len(results))]
        bars = axes.bar(places, heights, width * 0.92, color=_COLOURS[configuration], label=_MEANINGS[configuration])
        axes.bar_label(bars, fmt="%.0f", padding=2, fontsize=9)
    axes.set_xticks(range(len(results)), [f"{tender} tender" for tender in results])
    axes.set_ylabel("physical memory, MiB")
    axes.set_title(f"{count} unikernels of six kinds, pool and monitors included")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(file, dpi=150)
    pyplot.close(figure)
