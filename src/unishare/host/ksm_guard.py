"""Gives KSM's parameters back when its parent ends: `python -m unishare.host.ksm_guard ROOT JOURNAL`, run by host/ksm.py.

It records the parameters in the journal, says `ready`, waits for the end of its standard input and writes them back. The journal is
locked meanwhile, so two measurements never change KSM at once; one that nobody holds was left by a guard that was killed, and what it
says is restored first. Where KSM did not run before, merged pages are unmerged: nobody but the measurement had any.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
from pathlib import Path

from unishare.host.ksm import Parameters, read_counters, read_parameters, write_parameters

UNMERGE = "2"


def main(root: Path, journal: Path) -> int:
    """Guard until the end of stdin."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    descriptor = os.open(journal, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another measurement uses it", flush=True)
            return 1
        left = file.read()
        if left:
            _restore(json.loads(left), root, merged_before=False)
        parameters = read_parameters(root)
        merged_before = read_counters(root).saved > 0
        file.seek(0)
        file.truncate()
        json.dump(parameters, file)
        file.flush()
        os.fsync(file.fileno())
        print("ready", flush=True)
        sys.stdin.read()
        _restore(parameters, root, merged_before=merged_before)
        file.seek(0)
        file.truncate()
    return 0


def _restore(parameters: Parameters, root: Path, *, merged_before: bool) -> None:
    if parameters["run"] != "1" and not merged_before:
        (root / "run").write_text(UNMERGE)
    write_parameters(parameters, root)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
