"""What describing an instance's memory costs the kernel: its mappings and its page tables. Called by the benchmarks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unishare.host.frames import mappings
from unishare.host.memory import kilobyte_fields

SLABS = Path("/proc/slabinfo")
_MAPPING_SLAB = "vm_area_struct"


@dataclass(frozen=True)
class AddressSpace:
    """Lines of /proc/PID/maps, and bytes of page tables of all levels (VmPTE)."""

    mappings: int
    page_tables: int


def read_address_space(pid: int) -> AddressSpace:
    """Read a live process."""
    return AddressSpace(len(mappings(pid)), page_tables(pid))


def page_tables(pid: int) -> int:
    """Bytes of page tables of all levels, of a live process."""
    found = kilobyte_fields(Path(f"/proc/{pid}/status")).get("VmPTE")
    if found is None:
        raise OSError(f"/proc/{pid}/status: no VmPTE: the process has ended")
    return found


def mapping_bytes(slabs: Path = SLABS) -> int | None:
    """What the kernel keeps for one mapping (slabinfo, root only); None where that cannot be read. The tree that finds it is not counted."""
    try:
        lines = slabs.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[3]) for line in lines if line.startswith(f"{_MAPPING_SLAB} ")), None)
