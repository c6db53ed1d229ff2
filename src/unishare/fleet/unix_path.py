"""UNIX socket addresses hold 107 bytes of path; homes can be deeper. A path through an open folder is always short."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

LIMIT = 107


@contextlib.contextmanager
def short_path(socket: Path) -> Iterator[str]:
    """A name for `socket` that fits into an address, good until the context ends."""
    if len(os.fsencode(socket)) <= LIMIT:
        yield str(socket)
        return
    folder = os.open(socket.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{socket.name}"
    finally:
        os.close(folder)
