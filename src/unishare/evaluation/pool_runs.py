"""Which runs of the pool a set of images uses: only those count as memory that a fleet of them needs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from unishare.formats.snapshot import Snapshot, snapshots_of


def runs_of(manifests: Iterable[Path]) -> frozenset[str]:
    """The hashes of all runs that manifests name, page tables included."""
    runs: set[str] = set()
    for manifest in manifests:
        image = json.loads(manifest.read_text(encoding="utf-8"))
        runs.update(extent["run"] for extent in image["extents"] if extent["run"] is not None)
        runs.update(run for run in image.get("frames", []) if run is not None)
        for part in ("page_tables", "relocations"):
            if image.get(part):
                runs.add(image[part]["run"])
    return frozenset(runs)


def runs_of_snapshots(manifests: Iterable[Path]) -> frozenset[str]:
    """The hashes of all runs that the snapshots beside manifests name."""
    return frozenset(run for manifest in manifests for file in snapshots_of(manifest) for run in Snapshot.read(file).runs)
