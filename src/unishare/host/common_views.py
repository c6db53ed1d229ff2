"""The two views of memory that others publish, kept beside the honest totals so that figures can be compared. Unit: bytes.

`resident_of_first` is the RSS of one process: it counts every page that others share as if it were this one's alone, and no kernel memory.
`used` is what `free` prints as used (MemTotal - MemAvailable, procps-ng 4): it misses the pool, whose pages count as available, and
takes pages on processors' lists for used ones.
"""

from __future__ import annotations

from pathlib import Path

from unishare.host.memory import kilobyte_fields


def used(file: Path = Path("/proc/meminfo")) -> int:
    """`used` of `free`."""
    fields = kilobyte_fields(file)
    return fields["MemTotal"] - fields["MemAvailable"]


def resident_set(pid: int) -> int:
    """RSS of one process, as `ps` and `top` print it."""
    found = kilobyte_fields(Path(f"/proc/{pid}/status")).get("VmRSS")
    if found is None:
        raise OSError(f"/proc/{pid}/status: no VmRSS: the process has ended")
    return found
