"""Page tables as pool content: the KVM tender's, computed by the monitor itself, which will compare them before it trusts them.

They depend only on an image's shape (addresses, rights, sizes), so images of one shape share a run and the monitor is asked once.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from unishare.errors import BadInputError
from unishare.formats.addresses import PAGE
from unishare.formats.manifest import Manifest, RunReference
from unishare.monitor_program import monitor_program

if TYPE_CHECKING:
    from unishare.pool.store import Pool

TIME_LIMIT_S = 30


class PageTableCache:
    """Records `tables/<shape>` -> run in a pool's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "tables"
        self._incoming = folder / "incoming"

    def of(self, manifest: Manifest, folder: Path, pool: Pool) -> RunReference | None:
        """The page tables of a fixed image; None under `aslr`, where they are each instance's own."""
        if manifest.modules is not None:
            return None
        record = self._folder / _shape(manifest)
        if record.exists():
            run = record.read_text(encoding="ascii").strip()
            if pool.run_file(run).exists():
                return RunReference(run=run, pages=pool.run_file(run).stat().st_size // PAGE)
        data = self._ask_monitor(manifest, folder, pool)
        run = pool.add_run(data)
        self._folder.mkdir(exist_ok=True)
        record.write_text(run + "\n", encoding="ascii")
        return RunReference(run=run, pages=len(data) // PAGE)

    def forget(self, kept: set[str]) -> None:
        """Drop records of runs that were collected."""
        for record in self._folder.glob("*"):
            if record.read_text(encoding="ascii").strip() not in kept:
                record.unlink()

    def _ask_monitor(self, manifest: Manifest, folder: Path, pool: Pool) -> bytes:
        with tempfile.TemporaryDirectory(dir=self._incoming) as temporary:
            question, answer = Path(temporary) / "manifest.json", Path(temporary) / "tables"
            manifest.write(question)
            command = [str(monitor_program()), "page-tables", str(question), "--pool", str(pool.folder), "-o", str(answer)]
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False, stdin=subprocess.DEVNULL
            )
            if done.returncode:
                raise BadInputError(f"{folder}: the monitor made no page tables: {done.stderr.strip()}")
            return answer.read_bytes()


def _shape(manifest: Manifest) -> str:
    extents = [(one.address, one.pages, one.rights) for one in manifest.extents]
    return hashlib.sha256(json.dumps([manifest.abi, manifest.stack, manifest.heap, extents]).encode()).hexdigest()
