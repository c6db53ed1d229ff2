"""A disk that is full after so many bytes, for tests of what is kept: files cannot grow beyond a limit (RLIMIT_FSIZE)."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager


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
