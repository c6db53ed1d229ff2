"""Sizes as people write them: `64M`, `1g`, `65536`. Bytes; K, M and G count in powers of 1024."""

from __future__ import annotations

import re

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def parse_size(text: str) -> int:
    """Bytes; ValueError with a message for people."""
    found = re.fullmatch(r"([0-9]{1,15})\s*([kmg]?)(?:i?b)?", text.strip().lower())
    if not found:
        raise ValueError(f"{text!r} is not a size: write bytes, or a number with K, M or G, such as 64M")
    return int(found[1]) * _UNITS[found[2]]
