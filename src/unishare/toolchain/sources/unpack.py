"""Unpacking a source archive so that nothing of it lands, or points, outside the folder it is unpacked into.

Called by `trees.py`. The standard library's `filter="data"` does the same, but the Python of Debian 12 (3.11.2) is older than it.
"""

from __future__ import annotations

import copy
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path


def unpack(archive: Path, into: Path) -> None:
    """Unpack a tarball into a folder; `tarfile.TarError` for one that would reach outside it."""
    with tarfile.open(archive) as tar:
        # What is unpacked was checked here: newer versions of the library need no second opinion.
        tar.extraction_filter = lambda member, _: member
        tar.extractall(into, _checked(tar, into.resolve()))


def _checked(tar: tarfile.TarFile, root: Path) -> Iterator[tarfile.TarInfo]:
    """The members one after another: links that earlier ones made are there when the next one's place is judged."""
    for member in tar:
        yield _inside(member, root)


def _inside(member: tarfile.TarInfo, root: Path) -> tarfile.TarInfo:
    """A member as it may be unpacked: relative, its owner's to write, of this user, no device."""
    safe = copy.copy(member)
    safe.name = member.name.lstrip("/")
    if not _within(root, Path(safe.name)):
        raise tarfile.TarError(f"{member.name!r} lies outside the archive")
    if member.issym() or member.islnk():
        start = Path(safe.name).parent if member.issym() else Path()
        if not _within(root, start / member.linkname):
            raise tarfile.TarError(f"{member.name!r} links to {member.linkname!r}, outside the archive")
    elif not (member.isreg() or member.isdir()):
        raise tarfile.TarError(f"{member.name!r} is neither a file nor a folder nor a link")
    safe.mode = member.mode & 0o755 | (0o700 if member.isdir() else 0o600)
    safe.uid, safe.gid, safe.uname, safe.gname = os.getuid(), os.getgid(), "", ""
    return safe


def _within(root: Path, path: Path) -> bool:
    """Whether a path relative to `root`, its links followed, stays below it."""
    return Path(os.path.realpath(root / path)).is_relative_to(root)
