"""The numbers that README's headline says, taken from a report: each has a name, and a text as README writes it between marks.

A mark in README is `<!-- evaluation: NAME -->TEXT<!-- / -->`; a test compares every TEXT with the published report's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from unishare.evaluation.report.claims import find
from unishare.evaluation.report.measured import Number

MARK = re.compile(r"<!-- evaluation: ([a-z-]+) -->(.*?)<!-- / -->", re.DOTALL)


def headline(numbers: Mapping[str, Sequence[Number]]) -> dict[str, str]:
    """Names and texts; only of what was measured."""
    found: dict[str, str] = {}
    for name, configuration in (
        ("idle-default", "default"),
        ("idle-dce-ksm", "dce+ksm"),
        ("idle-aligned-ksm", "aligned+ksm"),
        ("idle-pool-aligned", "pool aligned"),
        ("idle-pool-aslr", "pool aslr"),
        ("idle-floor", "floor process"),
    ):
        if number := find(numbers, "memory", configuration, "each"):
            found[name] = f"{number.median / 1024:,.0f} KiB"
    if instances := find(numbers, "memory", "pool aslr", "instances"):
        found["instances"] = f"{instances.median:,.0f}"
    default, ours = (find(numbers, "memory", title, "each") for title in ("default", "pool aslr"))
    if default and ours:
        found["times-less"] = f"{default.median / ours.median:.1f}"
    if speed := find(numbers, "speed", "process", "aslr/default"):
        found["speed-aslr"] = f"{speed.median:.2f}"
    if first := find(numbers, "start", "pool aslr", "first answer p50"):
        found["start-aslr"] = f"{first.median:.1f} ms"
    return found


def wrong_marks(text: str, report: Mapping[str, Any]) -> list[str]:
    """What a page says between marks that the report does not say, a line each."""
    said = report["headline"]
    wrong = []
    for name, shown in MARK.findall(text):
        if said.get(name) != shown.strip():
            wrong.append(f"{name}: the page says {shown.strip()!r}, the report {said.get(name)!r}")
    return wrong


def with_marks(text: str, report: Mapping[str, Any]) -> str:
    """The page with the report's texts between its marks."""
    said = report["headline"]
    return MARK.sub(lambda found: f"<!-- evaluation: {found[1]} -->{said.get(found[1], found[2])}<!-- / -->", text)
