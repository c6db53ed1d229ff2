"""KVM's own counters of a process's virtual machines, summed (debugfs, kvm/PID-FD). Unit: events since the machine was made.

`remote_tlb_flush` are flushes of all processors of a machine that the host asked for, as merging a page does; `tlb_flush` those that a
virtual processor made. These are the numbers of KVM_GET_STATS_FD, which answers only in the process that owns the machine (kvm_vm_ioctl
compares the address spaces); debugfs shows them to root. Misses machines of a kernel without debugfs: None.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from unishare.host.kernel_file_systems import mounted

DEBUGFS = Path("/sys/kernel/debug/kvm")


def read_kvm_counters(pids: Collection[int], names: tuple[str, ...], root: Path = DEBUGFS) -> dict[str, int] | None:
    """The named counters over all machines of these processes."""
    if (root == DEBUGFS and not mounted("debugfs")) or not root.is_dir():
        return None
    wanted = {str(pid) for pid in pids}
    total = dict.fromkeys(names, 0)
    for folder in root.iterdir():
        if folder.name.partition("-")[0] not in wanted:
            continue
        for name in names:
            try:
                total[name] += int((folder / name).read_text())
            except OSError:
                continue
    return total
