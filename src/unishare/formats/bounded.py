"""Reading files that others may have made: regular ones only, and no more than a limit. A FIFO does not hang, /dev/zero does not fill memory."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from unishare.errors import BadInputError

# More than any image has: 124 MiB of an app, as much again of libraries, and debug information.
ELF_BYTES = 1 << 30
# As the monitor's (manifest.rs, MAX_BYTES).
MANIFEST_BYTES = 4 << 20
FACTS_BYTES = 16 << 20
RECIPE_BYTES = 1 << 20
# Of one file in an image: more than the app's addresses hold, which the link says better (app_window.py).
FILE_BYTES = 256 << 20
# The launcher's record of a crash: registers and some stack.
EVIDENCE_BYTES = 1 << 20
# 24 bytes each: more relocations than private frames have places for addresses.
RELOCATION_BYTES = 768 << 20


def read_file(file: Path, limit: int) -> bytes:
    """A file's bytes. `BadInputError` for what is no regular file or too large; OSError as `open` has it."""
    # O_NONBLOCK: opening a FIFO waits for a writer without it (open(2)).
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BadInputError(f"{file} is not a regular file")
        if status.st_size > limit:
            raise BadInputError(f"{file} has {status.st_size} bytes, more than the {limit} that such a file can have")
        # Not `limit`, which would be taken as memory at once; a file that grows meanwhile is read as far as it was.
        return stream.read(status.st_size)
