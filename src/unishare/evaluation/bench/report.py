"""The one form of every benchmark's result: rows with their spread, and ratios of medians (DESIGN.md, Benchmarks)."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

# Of fewer, the greatest one says more.
PERCENTILE_SAMPLES = 100


class Row(BaseModel):
    """One configuration's samples: the middle, the spread, how many there are; the 99th percentile where that means something."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    configuration: str
    median: float
    min: float
    max: float
    unit: str
    n: int
    p99: float | None = None

    @classmethod
    def of(cls, configuration: str, samples: Sequence[float], unit: str) -> Row:
        """Summarise samples."""
        return cls(
            configuration=configuration,
            median=statistics.median(samples),
            min=min(samples),
            max=max(samples),
            unit=unit,
            n=len(samples),
            p99=statistics.quantiles(samples, n=100)[98] if len(samples) >= PERCENTILE_SAMPLES else None,
        )


class BenchReport(BaseModel):
    """What `unishare bench NAME --json` prints."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bench: str
    environment: dict[str, Any]
    rows: list[Row]
    ratios: dict[str, float]

    def row(self, configuration: str) -> Row:
        """The row of a configuration."""
        return next(row for row in self.rows if row.configuration == configuration)


def environment(**facts: Any) -> dict[str, Any]:
    """The machine, as far as it explains figures, without names or paths; and the benchmark's own parameters."""
    from unishare.host.memory import read_host

    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_available": read_host().available,
        "python": platform.python_version(),
        **facts,
    }


def geometric_mean(values: Sequence[float]) -> float:
    """The mean that suits ratios."""
    return statistics.geometric_mean(values)


def ratio(samples: Mapping[str, Sequence[float]], above: str, below: str) -> float:
    """Median over median; infinite where the lower one is not positive."""
    lower = statistics.median(samples[below])
    return statistics.median(samples[above]) / lower if lower > 0 else float("inf")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"
