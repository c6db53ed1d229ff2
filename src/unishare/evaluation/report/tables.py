"""The tables of a report: a scenario's configurations as rows, what matters of each as columns. The page and the published text show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Rows = list[list[str]]
KIB, MIB = 1 << 10, 1 << 20
# By kind of scenario: measure, what the column is called, what its value is divided by.
_COLUMNS: Mapping[str, Sequence[tuple[str, str, float]]] = {
    "memory": (
        ("each", "KiB an instance", KIB),
        ("each above floor", "above the floor", KIB),
        ("private", "private, MiB in all", MIB),
        ("pool in use", "pool's pages, MiB in all", MIB),
        ("kernel page tables", "page tables, MiB in all", MIB),
        ("ksm metadata", "KSM's metadata, MiB in all", MIB),
        ("ksmd", "ksmd, s", 1),
        ("view: rss of the first", "as others publish: RSS of one, KiB", KIB),
        ("view: used of free", "as others publish: `used`, MiB in all", MIB),
    ),
    "tlb": (
        ("answers", "answers", 1),
        ("by ksmd", "flushes by ksmd", 1),
        ("by instances local", "by instances, own processor", 1),
        ("by instances asked", "by instances, other processors", 1),
        ("by instances for 1000 requests", "by instances, 1000 requests", 1),
        ("kvm remote_tlb_flush", "KVM: remote", 1),
        ("full scans", "full scans of KSM", 1),
        ("ksmd", "ksmd, s", 1),
    ),
    "sizes": (
        ("file / default", "file / default (aslr: the app's own module alone)", 1),
        ("file", "file, KiB, median app", KIB),
        ("added", "added to the pool, KiB, median app", KIB),
    ),
    "speed": tuple((f"{layout}/default", f"{layout}/default", 1) for layout in ("dce", "aligned", "aslr")),
    "start": (
        ("first answer p50", "first answer p50, ms", 1),
        ("first answer p99", "p99, ms", 1),
        *((f"{app} above empty", f"{app}, ms above empty", 1) for app in ("hello", "gzip", "sql", "lua", "javascript")),
        ("wake p50", "woken p50, ms", 1),
        ("wake p99", "p99, ms", 1),
    ),
    "deduplication": (
        ("start work", "processor time of starting, s", 1),
        ("ksmd", "of ksmd until the last merge, s", 1),
        ("converged after", "last merge after, s", 1),
        ("total unmerged", "memory before, MiB", MIB),
        ("total merged", "memory then, MiB", MIB),
        ("ksm metadata", "KSM's metadata, MiB", MIB),
    ),
    "scale": (
        ("one more of instances", "one more different instance, KiB (95 %)", KIB),
        ("one more of functions", "one more function among as many instances, KiB (95 %)", KIB),
        ("instances in 256 GiB", "instances in 256 GiB (95 %)", 1),
    ),
    "peers": (
        ("memory each", "KiB an instance", KIB),
        ("pss each", "PSS, KiB", KIB),
        ("first answer p50", "first answer p50, ms", 1),
        ("first answer p99", "p99, ms", 1),
    ),
}


def claims_table(claims: Sequence[Mapping[str, Any]]) -> tuple[list[str], Rows]:
    """Head and rows of what is claimed beside what was measured."""
    rows = [[claim["claim"], claim["claimed"], claim["measured"], _holds(claim["holds"]), claim["held_by"]] for claim in claims]
    return ["claim", "claimed", "measured", "holds", "held by"], rows


def _holds(value: bool | None) -> str:
    return "not measured" if value is None else "yes" if value else "no"


def table(kind: str, numbers: Sequence[Mapping[str, Any]]) -> tuple[list[str], Rows] | None:
    """Head and rows of a scenario, each value with its spread where it has one; None for kinds that have no such table."""
    found = {(number["configuration"], number["measure"]): number for number in numbers if not number["subject"]}
    columns = [column for column in _COLUMNS.get(kind, ()) if any(measure == column[0] for _, measure in found)]
    if not columns:
        return None
    rows = [
        [title, *(_value(found.get((title, measure)), unit) for measure, _, unit in columns)]
        for title in dict.fromkeys(title for title, _ in found)
    ]
    return ["configuration", *(words for _, words, _ in columns)], rows


def _value(number: Mapping[str, Any] | None, unit: float) -> str:
    if number is None:
        return ""
    middle, low, high = (_digits(number[key] / unit) for key in ("median", "low", "high"))
    # The spread of a percentile is that of its samples, which says nothing about the percentile.
    return middle if low == high or " p" in number["measure"] else f"{middle} ({low} to {high})"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.3g}"
