"""Two reports side by side: which medians of one lie outside the spread of the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unishare.errors import BadInputError

# How far medians of two quiet runs may lie apart where spreads of a few rounds do not meet, as a share and as a number: one more flush or scan is
# nothing, and times of single events depend on what else a machine does.
TOLERANCE = {"bytes": (0.03, 4096), "ms": (0.25, 0.05), "s": (0.25, 0.05), "flushes": (0.15, 5), "faults": (0.15, 50)}
OTHERS = (0.03, 3)
# Readings whose value is the moment's and not the configuration's.
LEFT_OUT = (
    "full scans",
    "ksm full_scans",
    "ksm volatile",
    "answers",
    "began",
    "lost",
    "view: used of free",
    "by instances suffered",
)


def differences(report: dict[str, Any], against: Path) -> list[str]:
    """Lines for people: how many numbers agree, and each that does not."""
    try:
        other = json.loads(against.read_text())
        theirs = dict(_numbers(other))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInputError(
            f"{against}: not a report of an evaluation: {error}", "give the report.json of another run"
        ) from None
    compared, lines = 0, []
    for key, number in _numbers(report):
        found = theirs.get(key)
        if found is None or key[2] in LEFT_OUT:
            continue
        compared += 1
        if not agree(number, found):
            where = " ".join(part for part in key if part)
            lines.append(
                f"  {where}: {number['median']:g} {number['unit']}, there {found['median']:g} ({found['low']:g} to {found['high']:g})"
            )
    words = "sizes differ: " if report["size"] != other.get("size") else ""
    return [f"{words}{compared - len(lines)} of {compared} numbers agree with {against.name} within the spread", *lines]


def agree(number: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether spreads meet, or medians differ by no more than TOLERANCE."""
    if number["low"] <= other["high"] and other["low"] <= number["high"]:
        return True
    share, amount = TOLERANCE.get(number["unit"], OTHERS)
    first, second = number["median"], other["median"]
    return bool(abs(first - second) <= max(amount, share * max(abs(first), abs(second))))


def _numbers(report: dict[str, Any]) -> Iterator[tuple[tuple[str, str, str, str], dict[str, Any]]]:
    for name, section in report["scenarios"].items():
        for number in section["numbers"]:
            yield (name, number["configuration"], number["measure"], number["subject"]), number
