"""Draws of an image's bases, as the monitor makes them when it starts instances; nothing is started."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from unishare.errors import UnishareError
from unishare.monitor_program import monitor_program
from unishare.settings import Settings

LIMIT_S = 300


@dataclass(frozen=True)
class Draws:
    """Names of modules, and for each draw their bases."""

    modules: tuple[str, ...]
    bases: list[tuple[int, ...]]


def draw(settings: Settings, manifest: Path, count: int, seed: int | None = None) -> Draws:
    """Bases of `count` starts; with a seed the same ones every time."""
    command = [str(monitor_program()), "draw", str(manifest), "--pool", str(settings.pool), "--count", str(count)]
    command += [] if seed is None else ["--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    if done.returncode:
        raise UnishareError(f"bases cannot be drawn: {done.stderr.strip().removeprefix('error: ')}")
    names, *lines = done.stdout.splitlines()
    return Draws(tuple(names.split("\t")), [tuple(int(base, 16) for base in line.split("\t")) for line in lines])
