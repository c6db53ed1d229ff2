"""Disks that are full, for tests of what is kept: after so many bytes of a file (RLIMIT_FSIZE), or for the n-th new name (audit hooks)."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@contextmanager
def no_file_beyond(limit: int) -> Iterator[None]:
    """Inside, a write beyond `limit` bytes of any file fails with EFBIG, or is cut short, as on a disk that has no room left."""
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN  # Python's own choice: an error instead of the signal
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@dataclass
class Taken:
    """New names, and what changes them, below `top`: how many there were, and what is done instead of one of them."""

    top: str
    number: int
    act: Callable[[], None]
    count: int = 0


_watched: list[Taken] = []


@contextmanager
def names_taken(top: Path, number: int = 0, act: Callable[[], None] = lambda: None) -> Iterator[Taken]:
    """Count what takes or changes a name below `top` (files made, folders, links, renames), and call `act` before the `number`-th."""
    taken = Taken(str(top), number, act)
    if _hook not in _installed:
        sys.addaudithook(_hook)
        _installed.append(_hook)
    _watched.append(taken)
    try:
        yield taken
    finally:
        _watched.remove(taken)


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    """Audit hooks stay for good (PEP 578): this one does nothing when nobody watches."""
    if not _watched or event not in ("open", "os.mkdir", "os.rename", "os.link", "os.symlink"):
        return
    if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & os.O_CREAT):
        return
    for taken in list(_watched):
        if str(arguments[0]).startswith(taken.top) and not str(arguments[0]).endswith("lock"):
            taken.count += 1
            if taken.count == taken.number:
                taken.act()


_installed: list[object] = []
