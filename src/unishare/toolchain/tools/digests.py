"""SHA-256 of files and values, remembered by a file's size and times, so that a thousand apps do not read the same header twice."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from pathlib import Path

_Stamp = tuple[int, int, int]


def of_bytes(data: bytes) -> str:
    """The digest of bytes."""
    return hashlib.sha256(data).hexdigest()


def of_value(value: object) -> str:
    """The digest of anything JSON can hold."""
    return of_bytes(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


class Digests:
    """Digests of files and folders, each computed once per state of the file."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[str, tuple[_Stamp, str]] = {}

    def file(self, path: str | Path) -> str:
        """The digest of a file's content."""
        name = os.fspath(path)
        status = Path(name).stat()
        stamp = (status.st_size, status.st_mtime_ns, status.st_ino)
        known = self._files.get(name)
        if known and known[0] == stamp:
            return known[1]
        with Path(name).open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        with self._lock:
            self._files[name] = (stamp, digest)
        return digest

    def folder(self, root: Path, *, whole: bool = False) -> str:
        """The digest of a folder's files: their names and contents, those of linked folders too.

        Hidden ones are left out, unless `whole`: then they count, and whether a file may be executed, as for a command that runs there.
        """
        entries: list[tuple[str, ...]] = []
        seen: set[str] = set()
        for folder, names, files in os.walk(root, followlinks=True):
            real = os.path.realpath(folder)
            names[:] = sorted(name for name in names if (whole or not name.startswith(".")) and real not in seen)
            seen.add(real)
            for name in sorted(files):
                path = Path(folder) / name
                if (whole or not name.startswith(".")) and path.is_file():
                    right = ("x" if os.access(path, os.X_OK) else "-",) if whole else ()
                    entries.append((str(path.relative_to(root)), self.file(path), *right))
        return of_value(entries)
