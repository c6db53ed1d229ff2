"""The machine and the programs of a run, as far as they explain its figures: no names, no paths."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from unishare.evaluation.bench.report import environment
from unishare.host import ksm
from unishare.host.memory import kilobyte_fields
from unishare.monitor_program import monitor_program


def programs() -> str:
    """The monitor's bytes: parts that another monitor measured are measured again."""
    return hashlib.sha256(Path(monitor_program()).read_bytes()).hexdigest()[:16]


def describe() -> dict[str, Any]:
    """For the report."""
    return environment(
        unishare=metadata.version("unishare"),
        memory_total=kilobyte_fields(Path("/proc/meminfo"))["MemTotal"],
        ksm=ksm.SETTINGS if ksm.problem() is None else None,
        ksm_found=ksm.read_parameters() if ksm.problem() is None else None,
        transparent_huge_pages=_line("/sys/kernel/mm/transparent_hugepage/enabled"),
        kvm=_kvm(),
        compiler=_first_line(["gcc", "--version"]),
        libc=" ".join(platform.libc_ver()),
        monitor=programs(),
    )


def _line(file: str) -> str | None:
    try:
        return Path(file).read_text().strip()
    except OSError:
        return None


def _kvm() -> str | None:
    """Which module stands behind /dev/kvm; those that are built in are named in /sys/module as well, where they have parameters."""
    found = {folder.name for folder in Path("/sys/module").glob("kvm*")}
    return ", ".join(sorted(found)) or ("built in" if Path("/dev/kvm").exists() else None)


def _first_line(command: list[str]) -> str | None:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()[0]
    except (OSError, IndexError):
        return None
