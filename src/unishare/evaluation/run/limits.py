"""Whether this machine can hold a fleet, said before the first instance starts, with the largest number that it can hold.

An instance's need is estimated from above: what the largest of such configurations took (KiB, measured), and what the launcher keeps open for it.
"""

from __future__ import annotations

import resource
from pathlib import Path

from unishare.errors import HostLacksError
from unishare.evaluation.scenario import Configuration
from unishare.host.memory import available

# KiB an instance, by sharing, for the process tender; a machine's kernel memory comes on top under KVM.
NEED_KIB = {"pool": 450, "copy": 1900, "ksm": 2000}
MACHINE_KIB = 800
# Left for everything else on the machine.
MARGIN = 768 << 20
DESCRIPTORS_EACH = 2
DESCRIPTORS_OTHER = 64
PROCESSES_OTHER = 256


def refuse_what_does_not_fit(configuration: Configuration, instances: int) -> None:
    """Raise HostLacksError with a number that fits."""
    need = (NEED_KIB[configuration.sharing] + (MACHINE_KIB if configuration.tender == "kvm" else 0)) << 10
    room = {
        "memory": max(0, available() - MARGIN) // need,
        "descriptors": max(0, _descriptors() - DESCRIPTORS_OTHER) // DESCRIPTORS_EACH,
        "processes": max(0, _processes() - PROCESSES_OTHER),
    }
    what, fits = min(room.items(), key=lambda limit: limit[1])
    if fits < instances:
        raise HostLacksError(
            f"{configuration.title}: {instances} instances do not fit: there is room for {fits} by {what}",
            f"give --instances {max(1, fits)}" if fits else "end what else uses this machine",
        )


def _descriptors() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def _processes() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    limits = [int(Path(f"/proc/sys/kernel/{name}").read_text()) for name in ("pid_max", "threads-max")]
    return min(limits if hard == resource.RLIM_INFINITY else [*limits, hard])
