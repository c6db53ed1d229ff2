"""The runs of a pool: files of whole pages, each named by the SHA-256 of its bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from unishare.errors import BadInputError
from unishare.formats.addresses import PAGE
from unishare.state import make_folder, replace_file

_Stamp = tuple[int, int, int]


class RunFiles:
    """The folder `runs` of a pool."""

    def __init__(self, pool: Path) -> None:
        self._folder = pool / "runs"
        self._incoming = pool / "incoming"
        self._intact: dict[str, _Stamp] = {}

    def file(self, run: str) -> Path:
        """Where a run is."""
        return self._folder / run[:2] / run

    def add(self, data: bytes) -> str:
        """Store a run's bytes, whole pages; its name. A run that is there stays, but for a damaged one, which is replaced."""
        name = hashlib.sha256(data).hexdigest()
        file = self.file(name)
        if not self.is_intact(name):
            make_folder(file.parent)
            replace_file(file, data, mode=0o444, incoming=self._incoming)
        return name

    def is_intact(self, run: str) -> bool:
        """Whether a run is there with the content that its name says; read once for each state of the file."""
        stamp = self._stamp(run)
        if stamp is None:
            return False
        if self._intact.get(run) == stamp:
            return True
        if self.fault(run) is not None:
            return False
        self._intact[run] = stamp
        return True

    def fault(self, run: str) -> str | None:
        """What is wrong with a run, from all its bytes; None if nothing is."""
        file = self.file(run)
        if file.is_symlink() or (file.exists() and not file.is_file()):
            return "it is not a regular file"
        try:
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
                size = stream.tell()
        except FileNotFoundError:
            return "it is missing"
        except OSError as error:
            return f"it cannot be read: {error.strerror}"
        if digest != run:
            return "its content does not have the hash that is its name"
        return "it is not a number of pages" if size % PAGE or not size else None

    def read(self, run: str) -> bytes:
        """A run's bytes."""
        try:
            return self.file(run).read_bytes()
        except OSError as error:
            raise BadInputError(
                f"{self.file(run)}: {error.strerror}", "Build the image again: that puts back what is damaged."
            ) from None

    def all(self) -> dict[str, int]:
        """All runs and their bytes."""
        return {file.name: file.stat().st_size for file in sorted(self._folder.glob("??/*"))}

    def _stamp(self, run: str) -> _Stamp | None:
        try:
            status = self.file(run).lstat()
        except OSError:
            return None
        return status.st_size, status.st_mtime_ns, status.st_ino
