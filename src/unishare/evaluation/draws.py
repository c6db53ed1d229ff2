"""Draws of an image's bases, as the monitor makes them when it starts instances; nothing is started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unishare.errors import TimeLimitError, UnishareError
from unishare.monitor_program import ask_monitor
from unishare.settings import Settings

LIMIT_S = 300


@dataclass(frozen=True)
class Draws:
    """Names of modules; for each draw their bases, and the page-table pages that the KVM tender makes for such an instance alone."""

    modules: tuple[str, ...]
    bases: list[tuple[int, ...]]
    page_tables: list[int]


def draw(settings: Settings, manifest: Path, count: int, seed: int | None = None, gaps: int | None = None) -> Draws:
    """Bases of `count` starts; with a seed the same ones every time; with other `gaps`, in pages, than the default."""
    arguments = ["draw", str(manifest), "--pool", str(settings.pool), "--count", str(count)]
    arguments += [] if seed is None else ["--seed", str(seed)]
    arguments += [] if gaps is None else ["--gaps", str(gaps)]
    done = ask_monitor(arguments, LIMIT_S, TimeLimitError(f"bases were not drawn within {LIMIT_S} s"))
    if done.returncode:
        raise UnishareError(f"bases cannot be drawn: {done.stderr.strip().removeprefix('error: ')}")
    names, *lines = done.stdout.splitlines()
    cells = [line.split("\t") for line in lines]
    bases = [tuple(int(base, 16) for base in row[:-1]) for row in cells]
    return Draws(tuple(names.split("\t")), bases, [int(row[-1]) for row in cells])
