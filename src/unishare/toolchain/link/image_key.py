"""What an image folder was made from, and whether its files are still those that were written: is it fresh?

`.key` is a record (state.py) of the key and of each file's digest. A damaged folder is not fresh: the next build makes it again. Modules
are links to cached files, the same for many images, so each is read once a process.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from unishare.formats.image import MANIFEST_NAME
from unishare.state import read_record, record_bytes

KEY_NAME = ".key"
MODULES = "modules"
# Digests by device, inode, size and time of the last change.
_KNOWN: dict[tuple[int, int, int, int], str] = {}


def write_key(folder: Path, key: str) -> None:
    """Note the key of a finished folder that nobody sees yet."""
    payload = json.dumps({"key": key, "files": _files(folder)}, sort_keys=True)
    (folder / KEY_NAME).write_bytes(record_bytes(payload.encode()))


def has_key(folder: Path, key: str) -> bool:
    """Whether a folder was made from this key and has all that it was made with."""
    record = read_record(folder / KEY_NAME)
    if record is None:
        return False
    noted = json.loads(record)
    if noted["key"] != key:
        return False
    try:
        # Others may have put more beside them, such as snapshots.
        return all(_digest(folder / name) == digest for name, digest in noted["files"].items())
    except OSError:
        return False


def _files(folder: Path) -> dict[str, str]:
    """Digests of what the link wrote; the manifest is the pool's, which knows it by its own digest."""
    files = {
        str(file.relative_to(folder)): file for file in folder.rglob("*") if file.is_file() and not file.name.startswith(".")
    }
    return {name: _digest(file) for name, file in files.items() if name != MANIFEST_NAME}


def _digest(file: Path) -> str:
    status = file.stat()
    stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    if status.st_nlink == 1:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    if stamp not in _KNOWN:
        _KNOWN[stamp] = hashlib.sha256(file.read_bytes()).hexdigest()
    return _KNOWN[stamp]
