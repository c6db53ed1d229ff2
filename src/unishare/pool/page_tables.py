"""Page tables as pool content: the KVM tender's, computed by the monitor itself, which will compare them before it trusts them.

They depend only on an image's shape (addresses, rights, sizes), so images of one shape share a run and the monitor is asked once.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tempfile
from pathlib import Path

from unishare.errors import BadInputError
from unishare.formats.addresses import PAGE
from unishare.formats.manifest import Manifest, RunReference
from unishare.monitor_program import monitor_program
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
            return RunReference(run=run, pages=self._runs.file(run).stat().st_size // PAGE)
        data = self._ask_monitor(manifest, folder)
        run = self._runs.add(data)
        make_folder(self._folder)
        replace_file(record, f"{run}\n".encode())
        return RunReference(run=run, pages=len(data) // PAGE)

    def forget(self, live_runs: set[str]) -> None:
        """Drop records of runs that were collected, and damaged ones."""
        for record in self._folder.glob("*"):
            if _read(record) not in live_runs or record.name.startswith(PREFIX):
                record.unlink()

    def _ask_monitor(self, manifest: Manifest, folder: Path) -> bytes:
        with tempfile.TemporaryDirectory(dir=self._incoming) as temporary:
            question, answer = Path(temporary) / "manifest.json", Path(temporary) / "tables"
            question.write_text(manifest.to_text(), encoding="utf-8")
            command = [str(monitor_program()), "page-tables", str(question), "--pool", str(self._pool), "-o", str(answer)]
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False, stdin=subprocess.DEVNULL
            )
            if done.returncode:
                raise BadInputError(f"{folder}: the monitor made no page tables: {done.stderr.strip()}")
            return answer.read_bytes()


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
