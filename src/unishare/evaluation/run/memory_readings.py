"""What a fleet takes, by every sampler, as readings; and whether they can be true.

`total` is the fall of what the host has available, plus the pool's pages that the fleet maps where the pool is used (host/memory.py says why), less what
the measuring program itself has grown by meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Self

from unishare.errors import UnishareError
from unishare.evaluation.bench.workload import Function
from unishare.evaluation.pool_runs import runs_of, runs_of_snapshots
from unishare.evaluation.run.fleet import Fleet
from unishare.evaluation.run.samples import Reading
from unishare.evaluation.scenario import Configuration
from unishare.host import ksm
from unishare.host.common_views import resident_set, used
from unishare.host.frame_sharers import read_sharers
from unishare.host.frames import frames_visible
from unishare.host.kernel_memory import KernelMemory, read_kernel_memory
from unishare.host.memory import HostMemory, pool_in_use, read_host, read_processes, settle
from unishare.settings import Settings

# Of PSS: what MemAvailable's fall may be less, for two readings that are not of one moment.
TOLERANCE = 0.9
NOISE = 4 << 20


class ImpossibleReading(UnishareError):
    """Readings that contradict each other: something else on the machine changed. They are taken again."""

    exit_code = 1


@dataclass(frozen=True)
class Before:
    """The host without the fleet. `own`: private memory of the measuring program.

    It is read when everything that only measures runs already, KSM's guard among it: what starts later counts as the fleet's.
    """

    host: HostMemory
    kernel: KernelMemory
    used: int
    own: int

    @classmethod
    def read(cls) -> Self:
        """Read once it stands still."""
        return cls(settle(), read_kernel_memory(), used(), _own())

    def fall(self, now: HostMemory) -> int:
        """Bytes that the host has less now, without those that the measuring program has taken."""
        return self.host.available - now.available - (_own() - self.own)


class PoolPages:
    """The runs that a fleet's images use; the pages of them that it maps are its own, once."""

    def __init__(self, settings: Settings, functions: Iterable[Function], configuration: Configuration) -> None:
        shared = configuration.sharing == "pool"
        manifests = {function.image.manifest for function in functions} if shared else set()
        self._pool = settings.pool
        self._runs = runs_of(manifests)
        if configuration.start == "snapshot":
            self._runs |= runs_of_snapshots(manifests)

    def in_use(self) -> int:
        """Bytes now; drops what nobody maps."""
        return pool_in_use(self._pool, self._runs) if self._runs else 0


def total_now(before: Before, pool: PoolPages) -> int:
    """The total at this moment, unsettled: for curves over time."""
    return before.fall(read_host()) + pool.in_use()


def _own() -> int:
    return read_processes([os.getpid()]).private


def fleet_readings(fleet: Fleet, before: Before, pool: PoolPages, phase: str, *, frames: bool = True) -> list[Reading]:
    """Everything, of a fleet at rest. Raises ImpossibleReading."""
    host = settle()
    pooled = pool.in_use()
    total = before.fall(host) + pooled
    processes = read_processes([fleet.launcher_pid, *fleet.pids])
    refuse_impossible(total, processes.pss, len(fleet.members))
    merged = ksm.read_counters()
    values = {
        "total": total,
        "pool in use": pooled,
        "pss": processes.pss,
        "private": processes.private,
        "view: used of free": used() - before.used,
        "view: rss of the first": resident_set(fleet.pids[0]),
        "ksm metadata": merged.metadata if fleet.configuration.sharing == "ksm" else 0,
        **{f"kernel {kind}".replace("_", " "): size for kind, size in asdict(read_kernel_memory() - before.kernel).items()},
    }
    readings = [Reading(measure, "bytes", value, phase) for measure, value in values.items()]
    readings.append(Reading("instances", "", len(fleet.members), phase))
    readings.append(Reading("answers", "", fleet.answers, phase))
    if fleet.configuration.sharing == "ksm":
        readings += ksm_readings(merged, phase)
    if frames and frames_visible():
        readings += _frames(fleet.pids, phase)
    return readings


def refuse_impossible(total: float, pss: float, instances: int) -> None:
    """Raise where the host cannot have lost what it says."""
    if total <= 0 or total + NOISE < TOLERANCE * pss:
        raise ImpossibleReading(
            f"{instances} instances cost {total / 1048576:.1f} MiB of available memory, but have {pss / 1048576:.1f} MiB mapped",
            "something else on this machine gave memory back meanwhile",
        )


def ksm_readings(counters: ksm.Counters, phase: str, time_s: float = 0.0) -> list[Reading]:
    """KSM's counters, in pages."""
    return [Reading(f"ksm {name}", "pages", getattr(counters, name), phase, time_s) for name in ksm_names()]


def ksm_names() -> Sequence[str]:
    """Of the counters that are kept."""
    return ("shared", "sharing", "unshared", "volatile", "zero", "full_scans")


def _frames(pids: list[int], phase: str) -> list[Reading]:
    sharers = read_sharers(pids)
    values = {
        "mapped": sharers.mapped,
        "private": sharers.private,
        "shared": sharers.shared,
        "merged": sharers.merged,
        "zero": sharers.zero,
    }
    return [Reading(f"frames {name}", "frames", value, phase) for name, value in values.items()]
