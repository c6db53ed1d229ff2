"""Writing what is kept: a name never stands for less than all its bytes, also after a crash or a power cut.

Everything that unishare keeps goes through here. The bytes are written beside the name, synced, and renamed; then the folder is
synced, because a rename is on disk only when its folder is (fsync(2)).
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def replace_file(file: Path, data: bytes, *, mode: int = 0o644, incoming: Path | None = None) -> None:
    """Make `file` hold `data`: readers see the old file or the whole new one.

    `incoming`: where the new file grows, on the same file system; by default the file's own folder. Raises OSError (a full disk,
    missing rights), and then leaves nothing behind.
    """
    descriptor, name = tempfile.mkstemp(dir=incoming or file.parent, prefix=f".{file.name[:40]}-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        Path(name).rename(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Put a folder's names on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def mark_used(entry: Path) -> None:
    """Note that a build used an entry now; a home that this user may only read is left as it is."""
    try:
        os.utime(entry)
    except PermissionError:
        return
