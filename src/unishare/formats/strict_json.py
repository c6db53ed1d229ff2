"""JSON as the monitor reads it: UTF-8, every key once, numbers and escapes that have one meaning."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def check(data: bytes) -> None:
    """Raise ValueError for text that readers of JSON understand differently."""
    text = data.decode("utf-8")
    if text.startswith("\ufeff"):
        raise ValueError("begins with a byte order mark")
    try:
        json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant, parse_int=_whole)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"duplicate field `{twice}`")
    for name, value in pairs:
        for text in (name, value):
            if isinstance(text, str):
                text.encode()  # half of a surrogate pair is no text
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _whole(digits: str) -> int:
    if digits == "-0" or len(digits) > 20:
        raise ValueError(f"{digits[:30]} is not a whole number of 64 bits")
    return int(digits)
