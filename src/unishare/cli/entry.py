"""The console script. Loads almost nothing itself, so that an interrupt is answered in order from the first moment to the last."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

INTERRUPTED = 130


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    try:
        from unishare.cli.failures import run_and_report

        code = run_and_report()
    except KeyboardInterrupt:
        # Before the first command was known, or while a failure was printed.
        os.write(2, b"interrupted\n")
        code = INTERRUPTED
    # The command is done: an interrupt has nothing left to stop, and would be a traceback of the interpreter's own end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)
