"""Writing what is kept: a name never stands for less than all its bytes, also after a crash or a power cut.

Everything that unishare keeps goes through here. The bytes are written beside the name, synced, and renamed; then the folder is
synced, because a rename is on disk only when its folder is (fsync(2)).
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import tempfile
from pathlib import Path

from unishare.unfinished import PREFIX

_RECORD = b"unishare-record 1 "
_DIGEST_LENGTH = 64
# renameat2(2): both names stay, each stands for what the other did.
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def replace_file(file: Path, data: bytes, *, mode: int = 0o644, incoming: Path | None = None) -> None:
    """Make `file` hold `data`: readers see the old file or the whole new one.

    `incoming`: where the new file grows, on the same file system; by default the file's own folder. Raises OSError (a full disk,
    missing rights), and then leaves nothing behind.
    """
    descriptor, name = tempfile.mkstemp(dir=incoming or file.parent, prefix=f"{PREFIX}{file.name[:40]}-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        Path(name).rename(file)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # write(2) and fsync(2) know no names
            error.filename = str(file)
        raise
    sync_folder(file.parent)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, on disk too."""
    if folder.is_dir():
        return
    if not folder.parent.is_dir():
        make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Put a folder's names on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_record(file: Path, payload: bytes) -> None:
    """Replace a file by a record: `payload` behind a line with its digest, so that a reader knows whether all of it is there."""
    replace_file(file, record_bytes(payload))


def record_bytes(payload: bytes) -> bytes:
    """A record's bytes, for one that grows in a folder that nobody sees yet."""
    return _RECORD + hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload


def read_record(file: Path) -> bytes | None:
    """A record's payload; None when there is none or it is damaged: who asks does the work again that the record would spare."""
    try:
        data = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    head = len(_RECORD) + _DIGEST_LENGTH + 1
    return data[head:] if data == record_bytes(data[head:]) else None


def replace_folder(fresh: Path, folder: Path) -> None:
    """Put a finished folder in another's place, in one step for readers; `fresh` then names the old one, if there was any.

    On file systems without an exchange of names (NFS, some FUSE) there are two steps, and between them no folder.
    """
    if not folder.exists():
        fresh.rename(folder)
    else:
        try:
            _exchange(fresh, folder)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS):
                raise
            aside = fresh.with_name(f"{fresh.name}.old")
            folder.rename(aside)
            fresh.rename(folder)
            aside.rename(fresh)
    sync_folder(folder.parent)


def _exchange(first: Path, second: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(first))
    if libc.renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(first), None, str(second))


def mark_used(entry: Path) -> None:
    """Note that a build used an entry now; a home that this user may only read is left as it is."""
    try:
        os.utime(entry)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
