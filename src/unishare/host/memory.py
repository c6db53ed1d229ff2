"""Physical memory, by two independent views: what the host has left, and what processes have mapped.

*MemAvailable* falls by everything that instances cost, kernel memory included (VM structures, page tables, stacks, slab). It
counts clean file pages as available, so the pool's pages do not show in it: a fair total adds those that the fleet holds once
(`pool_in_use`). *PSS* (smaps_rollup) divides each mapped page among those who map it: it shows the pool, but no kernel
memory. Neither alone is the truth; benchmarks print both.

MemAvailable leaves out free pages that the kernel keeps on lists of each processor (Linux 6.7 and later let these grow to
hundreds of MB after many processes have ended, and shrink them over minutes). They are free all the same, so they are added:
readings then repeat to about 1 MB. `settle` waits until consecutive readings agree. No cache is
dropped but that of a pool's runs, and of those only what nobody maps (`pool_in_use`): it is what a run's verification has read, which the
kernel gives up for whatever else it needs memory for, like all other files that a configuration has read.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PAGE = mmap.PAGESIZE
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_MAP_FAILED = ctypes.c_void_p(-1).value


@dataclass(frozen=True)
class HostMemory:
    """One reading of /proc/meminfo and /proc/zoneinfo, in bytes. `available` holds the pages on processors' lists too."""

    available: int
    page_tables: int
    slab: int


@dataclass(frozen=True)
class ProcessMemory:
    """The sum of smaps_rollup over a set of processes, in bytes; `gone` counts those that ended meanwhile."""

    pss: int
    rss: int
    private: int
    processes: int
    gone: int


def read_host() -> HostMemory:
    """Read the host's counters."""
    fields = kilobyte_fields(Path("/proc/meminfo"))
    available = fields["MemAvailable"] + pages_on_processor_lists() * PAGE
    return HostMemory(available, fields["PageTables"], fields["Slab"])


def pages_on_processor_lists() -> int:
    """Free pages that each processor keeps for itself: the `count` of the pagesets in /proc/zoneinfo (Linux, mm/vmstat.c)."""
    words = (line.split() for line in Path("/proc/zoneinfo").read_text().splitlines())
    return sum(int(line[1]) for line in words if len(line) == 2 and line[0] == "count:")


def available() -> int:
    """Bytes that could be used without swapping."""
    return read_host().available


def settle(*, tolerance: int = 512 << 10, interval_s: float = 0.15, limit_s: float = 6.0) -> HostMemory:
    """Wait until the available memory has stood still for three readings, or the limit has passed; the last reading."""
    deadline = time.monotonic() + limit_s
    readings = [read_host()]
    while time.monotonic() < deadline:
        time.sleep(interval_s)
        readings.append(read_host())
        last = [reading.available for reading in readings[-3:]]
        if len(last) == 3 and max(last) - min(last) <= tolerance:
            break
    return readings[-1]


def read_processes(pids: Iterable[int]) -> ProcessMemory:
    """Sum what processes have mapped."""
    pss = rss = private = seen = gone = 0
    for pid in pids:
        try:
            fields = kilobyte_fields(Path(f"/proc/{pid}/smaps_rollup"))
        except (FileNotFoundError, ProcessLookupError):
            gone += 1
            continue
        seen += 1
        pss += fields.get("Pss", 0)
        rss += fields.get("Rss", 0)
        private += fields.get("Private_Clean", 0) + fields.get("Private_Dirty", 0)
    return ProcessMemory(pss, rss, private, seen, gone)


def pool_in_use(pool: Path, runs: Iterable[str]) -> int:
    """Bytes of these runs of a pool that are in the page cache and cannot be given up: what no process maps is dropped first."""
    files = [pool / "runs" / run[:2] / run for run in runs]
    for file in files:
        drop_unmapped(file)
    return sum(resident_bytes(file) for file in files)


def drop_unmapped(file: Path) -> None:
    """Drop a file's clean pages that no process maps from the page cache (posix_fadvise(2); of a large folio all stay while one is mapped)."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def resident_bytes(file: Path) -> int:
    """Bytes of a file that are in the page cache (mincore(2) over a mapping of it; mapping reads nothing in)."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        if size == 0:
            return 0
        address = _libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, 0)
    finally:
        os.close(descriptor)
    if address == _MAP_FAILED:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(file))
    try:
        states = (ctypes.c_ubyte * -(-size // PAGE))()
        if _libc.mincore(address, size, states) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(file))
        return sum(state & 1 for state in states) * PAGE
    finally:
        _libc.munmap(address, size)


def kilobyte_fields(file: Path) -> dict[str, int]:
    """`Name:  123 kB` lines as bytes."""
    fields = {}
    for line in file.read_text().splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if len(words) == 2 and words[1] == "kB":
            fields[name] = int(words[0]) << 10
    return fields
