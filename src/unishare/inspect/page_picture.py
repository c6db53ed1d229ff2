"""A picture of files' pages: one row of cells for each file, its shade saying what a page has in common with the others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from unishare.errors import HostLacksError

COLUMNS = 128
_CLASSES = {
    "=": ("black", "equal, at the same address"),
    "c": ("0.35", "equal, at another address"),
    "m": ("0.6", "equal but for relocated fields"),
    ".": ("0.92", "nowhere else"),
    "0": ("white", "zeros"),
}


def draw_pages(classes: Mapping[str, str], file: Path) -> None:
    """Write a PNG; `classes`: for each file a letter a page (page_equality.py)."""
    try:
        import matplotlib
    except ImportError:
        raise HostLacksError("a picture needs matplotlib", "pip install 'unishare[evaluation]'") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.patches import Patch

    rows = {name: -(-len(letters) // COLUMNS) for name, letters in classes.items()}
    figure, all_axes = pyplot.subplots(
        len(classes), 1, figsize=(10, 1.4 + sum(0.35 + 0.09 * count for count in rows.values())), layout="constrained", squeeze=False,
        gridspec_kw={"height_ratios": [max(3, count) for count in rows.values()]},
    )  # fmt: skip
    for axes, (name, letters) in zip(all_axes[:, 0], classes.items(), strict=True):
        grid = [
            [_grey(letter) for letter in letters[start : start + COLUMNS].ljust(COLUMNS)]
            for start in range(0, len(letters), COLUMNS)
        ]
        axes.imshow(grid or [[1.0]], cmap="gray", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        axes.set_title(f"{name}: {len(letters)} pages", fontsize=9, loc="left")
        axes.set_xticks([])
        axes.set_yticks([])
    patches = [Patch(facecolor=shade, edgecolor="black", label=words) for shade, words in _CLASSES.values()]
    figure.legend(handles=patches, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    figure.savefig(file, dpi=130)
    pyplot.close(figure)


def _grey(letter: str) -> float:
    shade = _CLASSES[letter][0] if letter in _CLASSES else "white"
    return {"black": 0.0, "white": 1.0}[shade] if shade in ("black", "white") else float(shade)
