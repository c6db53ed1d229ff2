"""Finds the Rust program `unishare-monitor`, which runs instances, and lets it do work for the pool.

Out: its path, or what it said. Called by the pool, the fleet, the benchmarks and the CLI's `run`. There are three places, in this order:
what `$UNISHARE_MONITOR` names, the release build of the checkout this package is imported from, and the folder that holds the installed
console scripts (a wheel puts both programs there).
"""

from __future__ import annotations

import os
import subprocess
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from unishare.errors import HostLacksError, NotFoundError, UnishareError

NAME = "unishare-monitor"


def monitor_program() -> Path:
    """The monitor's path; an error that says how to get it where there is none."""
    if named := os.environ.get("UNISHARE_MONITOR"):
        if not _is_program(Path(named)):
            raise NotFoundError(f"UNISHARE_MONITOR names {named}, which is not a program", "correct or unset the variable")
        return Path(named).absolute()
    for candidate in _candidates():
        if _is_program(candidate):
            return candidate
    raise HostLacksError(
        f"the program {NAME} was not found",
        "in a checkout run 'make setup'; elsewhere reinstall the unishare wheel, or set UNISHARE_MONITOR to its path",
    )


def ask_monitor(arguments: Sequence[str], limit_s: float, late: UnishareError) -> subprocess.CompletedProcess[str]:
    """Run it with these arguments; `late` is raised when it has not ended after `limit_s` seconds. Its code says whether it did the work."""
    command = [str(monitor_program()), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise late from None


def _candidates() -> list[Path]:
    checkout = Path(__file__).resolve().parents[2]
    return [checkout / "monitor" / "target" / "release" / NAME, Path(sysconfig.get_path("scripts")) / NAME]


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
