"""Explains a crash: from what the launcher kept of it, and the image's files, to a report.

The launcher reads no ELF file for it. `unishare-monitor explain-crash` does, in a process of its own, and uses an ELF file only when it is
the one that the crashed instance was started from.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from unishare.errors import BadInputError, TimeLimitError, UnishareError
from unishare.fleet.messages import Crash
from unishare.formats.bounded import EVIDENCE_BYTES, read_file
from unishare.monitor_program import monitor_program

LIMIT_S = 60.0


def explain(evidence: dict[str, Any]) -> Crash:
    """The report of a crash, and its record."""
    command = [str(monitor_program()), "explain-crash", "--json"]
    try:
        done = subprocess.run(command, input=json.dumps(evidence).encode(), capture_output=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise TimeLimitError(f"the crash was not explained within {LIMIT_S:.0f} s") from None
    if done.returncode != 0:
        raise UnishareError(f"the crash could not be explained: {done.stderr.decode(errors='replace').strip()}")
    return Crash.model_validate_json(done.stdout)


def read_evidence(logs: Path, instance: str) -> dict[str, Any] | None:
    """What was kept of an instance's crash beside its log: it outlives the launcher."""
    path = logs / f"{instance}.crash.json"
    # The name becomes a file's: one that leads elsewhere is no instance's.
    if path.parent != logs or not path.is_file():
        return None
    try:
        found = json.loads(read_file(path, EVIDENCE_BYTES))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadInputError(f"{path} is damaged: how {instance} ended is not known any more", "Run it again.")
    return found
