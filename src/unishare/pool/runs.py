"""The runs of a pool: files of whole pages, each named by the SHA-256 of its bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from unishare.errors import BadInputError
from unishare.state import replace_file


class Runs:
    """The folder `runs` of a pool."""

    def __init__(self, pool: Path) -> None:
        self._folder = pool / "runs"
        self._incoming = pool / "incoming"

    def file(self, run: str) -> Path:
        """Where a run is."""
        return self._folder / run[:2] / run

    def add(self, data: bytes) -> str:
        """Store a run's bytes, whole pages; its name. Does nothing when it is there."""
        name = hashlib.sha256(data).hexdigest()
        file = self.file(name)
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            replace_file(file, data, mode=0o444, incoming=self._incoming)
        return name

    def read(self, run: str) -> bytes:
        """A run's bytes."""
        try:
            return self.file(run).read_bytes()
        except OSError as error:
            raise BadInputError(f"{self.file(run)}: {error.strerror}", "Run 'unishare pool verify'.") from None
