"""Page tables as pool content: the KVM tender's, computed by the monitor itself, which will compare them before it trusts them.

They depend only on an image's shape (addresses, rights, sizes), so images of one shape share a run and the monitor is asked once. A
snapshot of drawn addresses has tables of its own.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from unishare.errors import BadInputError, TimeLimitError
from unishare.formats.addresses import PAGE
from unishare.formats.manifest import Manifest, RunReference
from unishare.formats.snapshot import Snapshot
from unishare.monitor_program import ask_monitor
from unishare.pool.runs import RunFiles
from unishare.state import make_folder, replace_file
from unishare.unfinished import PREFIX

TIME_LIMIT_S = 30
_RECORD = re.compile(rb"([0-9a-f]{64})\n")


class PageTableCache:
    """Records `tables/<shape>` -> run in a pool's folder."""

    def __init__(self, pool: Path, runs: RunFiles) -> None:
        self._pool = pool
        self._runs = runs
        self._folder = pool / "tables"
        self._incoming = pool / "incoming"

    def of(self, manifest: Manifest, folder: Path) -> RunReference | None:
        """The page tables of a fixed image; None under `aslr`, where they are each instance's own."""
        if manifest.modules is not None:
            return None
        record = self._folder / _shape(manifest)
        run = _read(record)
        if run is not None and self._runs.is_intact(run):
            return self._reference(run, self._runs.file(run).stat().st_size)
        data = self._ask_monitor(manifest, folder)
        run = self._runs.add(data)
        make_folder(self._folder)
        replace_file(record, f"{run}\n".encode())
        return self._reference(run, len(data))

    def of_snapshots(self, snapshots: Sequence[Snapshot], manifest: Path) -> list[Snapshot]:
        """Snapshots of an image with the page tables that they need; those of a fixed image are the image's."""
        if any(snapshot.draw is None for snapshot in snapshots):
            return list(snapshots)
        with tempfile.TemporaryDirectory(dir=self._incoming) as temporary:
            answer, arguments = Path(temporary) / "tables", []
            for number, snapshot in enumerate(snapshots):
                question = Path(temporary) / f"{number}.json"
                question.write_text(snapshot.to_text(), encoding="utf-8")
                arguments += ["--snapshot", str(question)]
            self._run_monitor(manifest, answer, arguments)
            tables = [answer.with_name(f"{answer.name}.{number}").read_bytes() for number in range(len(snapshots))]
        return [
            snapshot.model_copy(update={"page_tables": self._reference(self._runs.add(data), len(data))})
            for snapshot, data in zip(snapshots, tables, strict=True)
        ]

    def forget(self, live_runs: set[str]) -> None:
        """Drop records of runs that were collected, and damaged ones."""
        for record in self._folder.glob("*"):
            if _read(record) not in live_runs or record.name.startswith(PREFIX):
                record.unlink()

    def _ask_monitor(self, manifest: Manifest, folder: Path) -> bytes:
        with tempfile.TemporaryDirectory(dir=self._incoming) as temporary:
            question, answer = Path(temporary) / "manifest.json", Path(temporary) / "tables"
            question.write_text(manifest.to_text(), encoding="utf-8")
            self._run_monitor(question, answer, [], named=folder)
            return answer.read_bytes()

    def _run_monitor(self, manifest: Path, answer: Path, arguments: Sequence[str], *, named: Path | None = None) -> None:
        image = named or manifest.parent
        late = TimeLimitError(f"{image}: the monitor made no page tables within {TIME_LIMIT_S} s")
        command = ["page-tables", str(manifest), "--pool", str(self._pool), "-o", str(answer), *arguments]
        done = ask_monitor(command, TIME_LIMIT_S, late)
        if done.returncode:
            raise BadInputError(f"{image}: the monitor made no page tables: {done.stderr.strip()}")

    @staticmethod
    def _reference(run: str, size: int) -> RunReference:
        return RunReference(run=run, pages=size // PAGE)


def _read(record: Path) -> str | None:
    """The run that a record names; None when there is none or it is damaged."""
    try:
        found = _RECORD.fullmatch(record.read_bytes())
    except FileNotFoundError:
        return None
    return found[1].decode() if found else None


def _shape(manifest: Manifest) -> str:
    extents = [(extent.address, extent.pages, extent.rights) for extent in manifest.extents]
    return hashlib.sha256(json.dumps([manifest.abi, manifest.stack, manifest.heap, extents]).encode()).hexdigest()
