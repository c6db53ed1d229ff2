"""What the kernel itself takes, by kind (/proc/meminfo). Unit: bytes.

Counts the whole machine: a difference of two readings is a fleet's. Misses what the kernel takes as whole pages and lists nowhere (parts
of a virtual machine, pages of pipes): `MemAvailable` sees those, so the kinds add up to less than its fall.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Self

from unishare.host.memory import kilobyte_fields


@dataclass(frozen=True)
class KernelMemory:
    """`secondary_page_tables` are those of virtual machines (shadow or nested); `slab` holds small objects; KSM's records are among them."""

    slab: int
    page_tables: int
    secondary_page_tables: int
    stacks: int
    per_cpu: int
    vmalloc: int

    def __sub__(self, before: Self) -> KernelMemory:
        return KernelMemory(*(now - then for now, then in zip(astuple(self), astuple(before), strict=True)))


def read_kernel_memory(file: Path = Path("/proc/meminfo")) -> KernelMemory:
    """Read now; kinds that an older kernel does not list are 0."""
    fields = kilobyte_fields(file)
    names = ("Slab", "PageTables", "SecPageTables", "KernelStack", "Percpu", "VmallocUsed")
    return KernelMemory(*(fields.get(name, 0) for name in names))
