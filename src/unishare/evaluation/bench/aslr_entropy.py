"""What more space between an instance's parts buys, and what it costs: bits against page-table pages, for several `--gaps`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from unishare.evaluation.bench.report import Row
from unishare.evaluation.draws import draw
from unishare.evaluation.randomness import most_frequent_difference
from unishare.settings import Settings

GAPS = (0, 128, 512, 2048, 8192, 32768)


def entropy_rows(settings: Settings, manifest: Path, draws: int, seed: int | None, gaps: Sequence[int] = GAPS) -> list[Row]:
    """Two rows for each: page-table pages of an instance (the spread over draws), and the bits that one base leaves of another's: the
    logarithm of how often the most frequent distance of any two modules came, which is what a single guess wins with."""
    rows = []
    for pages in gaps:
        found = draw(settings, manifest, draws, seed, pages)
        bits = -math.log2(most_frequent_difference(found.bases))
        rows.append(Row.of(f"gaps {pages}: page tables", [float(count) for count in found.page_tables], "pages"))
        rows.append(Row.of(f"gaps {pages}: a base from another's", [bits], "bits"))
    return rows
