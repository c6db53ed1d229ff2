"""Python's copy of the addresses and of the largest heap is what abi.h and the monitor say."""

from __future__ import annotations

import re
from pathlib import Path

from unishare.formats import addresses

ROOT = Path(__file__).resolve().parents[2]
ABI = ROOT / "src" / "unishare" / "guest" / "abi" / "include" / "unishare" / "abi.h"
MONITOR = ROOT / "monitor" / "src" / "image" / "mod.rs"
NAMES = ("APP_BASE", "APP_END", "INSTANCE_BASE", "INSTANCE_END", "LIBRARY_BASE", "LIBRARY_END", "STACK_OFFSET")


def test_addresses_are_the_headers() -> None:
    header = ABI.read_text()
    for name in NAMES:
        found = re.search(rf"#define UNISHARE_{name} (0x[0-9a-f]+)ULL", header)
        assert found is not None and int(found[1], 16) == getattr(addresses, name), name


def test_the_largest_heap_is_the_monitors() -> None:
    found = re.search(r"RANDOM_HEAP_LIMIT: u64 = (\d+) << (\d+);", MONITOR.read_text())
    assert found is not None and int(found[1]) << int(found[2]) == addresses.RANDOM_HEAP_LIMIT == addresses.heap_limit(
        True, 4096
    )
    assert addresses.heap_limit(False, 262144) == 402370560  # 384 MiB less the stack and 20 KiB
