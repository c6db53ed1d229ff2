"""Folders and files that grow beside what they will become, and telling those of a writer that was killed from those at work.

A folder that grows is locked (flock(2)) by its writer, and the kernel lets go of the lock with the process, however that ends.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Names begin with it, whoever makes them: hidden, so that no listing takes one for an app or a library.
PREFIX = ".new-"
# Between the moments when a folder is made and locked; and how long a single file may take to be written.
FOLDER_GRACE_S = 60.0
FILE_GRACE_S = 3600.0
# Where a file system has no locks (some FUSE).
UNLOCKED_GRACE_S = 24 * 3600.0


@contextmanager
def unfinished_folder(parent: Path) -> Iterator[Path]:
    """A folder for what grows. What is not renamed away is gone in the end."""
    with tempfile.TemporaryDirectory(dir=parent, prefix=PREFIX) as name:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _lock(descriptor)
            yield Path(name)
        finally:
            os.close(descriptor)


def abandoned(folders: Iterable[Path]) -> Iterator[Path]:
    """What lies in folders and was left by writers that were killed."""
    for folder in folders:
        if folder.is_dir():
            yield from (path for path in sorted(folder.glob(f"{PREFIX}*")) if _is_abandoned(path))


def remove_abandoned(folders: Iterable[Path]) -> int:
    """Remove what killed writers left in folders; the bytes that this freed on disk."""
    freed = 0
    for path in abandoned(folders):
        freed += size_on_disk(path)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return freed


def size_on_disk(path: Path) -> int:
    """Bytes of a file, or of a folder's files: st_blocks counts units of 512 bytes (stat(2))."""
    return sum(file.lstat().st_blocks * 512 for file in [path, *path.rglob("*")])


def _is_abandoned(path: Path) -> bool:
    try:
        age = time.time() - path.lstat().st_mtime
        if path.is_symlink() or not path.is_dir():
            return age > FILE_GRACE_S
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return age > FOLDER_GRACE_S and _lock(descriptor, age)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, age: float = 0.0) -> bool:
    """Lock a folder; whether nobody else has, as far as can be known."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return age > UNLOCKED_GRACE_S
    return True
