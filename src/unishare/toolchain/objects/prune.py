"""Removing from a home what only makes builds faster and has not been used for long: objects and source trees.

A build marks what it uses by the entry's time (`state.mark_used`). Archives stay: they are what builds without a network stand on.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unishare.settings import Settings
from unishare.toolchain.sources.listing import SUFFIX as LISTING
from unishare.unfinished import PREFIX, abandoned, remove_abandoned, size_on_disk

DAY_S = 24 * 3600
# What builds of before, killed, left behind.
_OLD_UNFINISHED = "new-"


@dataclass(frozen=True)
class CacheEntry:
    """A folder that can go, and its bytes on disk."""

    path: Path
    size: int


def prune_cache(settings: Settings, days: float, *, dry_run: bool = False) -> list[CacheEntry]:
    """Remove the entries that were last used more than `days` days ago, and what killed builds left; what was (or would be) removed.
    Not for beside a build."""
    limit = time.time() - days * DAY_S
    left = list(_left_behind(settings))
    removed = [CacheEntry(path, size_on_disk(path)) for path in left]
    if not dry_run:
        remove_abandoned({path.parent for path in left})
    for path in _entries(settings):
        if path.stat().st_mtime > limit:
            continue
        removed.append(CacheEntry(path, size_on_disk(path)))
        if not dry_run:
            _remove(path)
    return removed


def _entries(settings: Settings) -> Iterator[Path]:
    for place in (*settings.objects.glob("??"), settings.sources / "trees"):
        if place.is_dir():
            yield from sorted(path for path in place.iterdir() if path.is_dir() and not path.name.startswith(PREFIX))


def _left_behind(settings: Settings) -> Iterator[Path]:
    """What writers that were killed left among objects and sources."""
    sources = settings.sources
    places = [settings.objects, *settings.objects.glob("??"), *settings.objects.glob("??/*")]
    yield from abandoned([*places, sources, sources / "apt", sources / "trees", *(sources / "archives").glob("*")])


def _remove(path: Path) -> None:
    """Take the name away first, so that a build sees the whole entry or none."""
    going = path if path.name.startswith(_OLD_UNFINISHED) else path.rename(path.with_name(f"{PREFIX}going-{path.name}"))
    shutil.rmtree(going)
    for suffix in (".lock", LISTING):
        path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)
