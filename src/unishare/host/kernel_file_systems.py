"""Mounts tracefs and debugfs where they belong, if nothing is there yet. Samplers that read them call this; it needs root.

They stay mounted: it is the place where every distribution mounts them at start, and other tools find them there as well.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

PLACES = {"tracefs": Path("/sys/kernel/tracing"), "debugfs": Path("/sys/kernel/debug")}
# sys/mount.h: MS_NOSUID | MS_NODEV | MS_NOEXEC
_FLAGS = 2 | 4 | 8


def mounted(kind: str) -> bool:
    """Whether it is there; mounted now if it can be."""
    place = PLACES[kind]
    if not place.is_dir():
        return False
    if any(place.iterdir()):
        return True
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.mount(kind.encode(), str(place).encode(), kind.encode(), _FLAGS, None) == 0)
