"""Copies of image folders, with snapshots of their own: a benchmark neither needs nor touches those that the home has."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unishare.evaluation.bench.workload import Function
from unishare.formats.image import MANIFEST_NAME
from unishare.pool import snapshots
from unishare.pool.store import Pool
from unishare.settings import Settings

# Whether a function keeps something between requests: what app.toml says.
State = Literal["kept", "none"]


@dataclass(frozen=True)
class Snapshotted:
    """A function whose image has snapshots."""

    function: Function
    manifest: Path
    snapshots: list[str]


@contextlib.contextmanager
def snapshotted(settings: Settings, functions: Sequence[Function]) -> Iterator[list[Snapshotted]]:
    """All functions with as many snapshots as `unishare snapshot` takes, none of them reset after its answers."""
    settings.run.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.run, prefix="bench-snapshots-") as folder:
        pool = Pool.open(settings.pool)
        copies = []
        for function in functions:
            manifest = copy(function.image.manifest, Path(folder) / function.name, "kept")
            requests = [example.request for example in function.expectations]
            taken = snapshots.take(pool, manifest.parent, requests=requests)
            copies.append(Snapshotted(function, manifest, [str(file) for file in taken]))
        yield copies


def copy(manifest: Path, folder: Path, state: State) -> Path:
    """An image folder with the same runs, whose function says that it keeps nothing, or does not."""
    folder.mkdir()
    fields = json.loads(manifest.read_bytes())
    fields.pop("state", None)
    if state == "none":
        fields["state"] = "none"
    (folder / MANIFEST_NAME).write_text(json.dumps(fields), encoding="utf-8")
    return folder / MANIFEST_NAME
