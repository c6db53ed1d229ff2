"""The claims that the evaluation is about: what is claimed, what was measured, and by what it is held where it is not reached.

Each is judged by numbers of the same report; a claim whose numbers were not measured says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unishare.evaluation.report.measured import ReportNumber

Numbers = Mapping[str, Sequence[ReportNumber]]
NOT_MEASURED = "not measured in this run"


@dataclass(frozen=True)
class Claim:
    """`holds`: None where it was not measured."""

    claim: str
    claimed: str
    measured: str
    holds: bool | None
    held_by: str


def claims(numbers: Numbers) -> list[Claim]:
    """All of them."""
    return [
        _alignment(numbers),
        _size(numbers),
        _speed(numbers),
        _lowest(numbers),
        _parked(numbers),
        _starts(numbers),
        _flushes(numbers),
        _no_merging(numbers),
    ]


def find(numbers: Numbers, scenario: str, configuration: str, measure: str) -> ReportNumber | None:
    """One number."""
    return next(
        (
            number
            for number in numbers.get(scenario, [])
            if number.configuration == configuration and number.measure == measure and not number.subject
        ),
        None,
    )


def _alignment(numbers: Numbers) -> Claim:
    name, claimed = "alignment makes KSM worth while", "up to 3x less memory than dce under KSM, by alignment"
    dce, aligned = (find(numbers, "memory", f"{layout}+ksm", "each above floor") for layout in ("dce", "aligned"))
    whole_dce, whole = (find(numbers, "memory", f"{layout}+ksm", "each") for layout in ("dce", "aligned"))
    if not dce or not aligned or not whole or not whole_dce:
        return Claim(name, claimed, NOT_MEASURED, None, "")
    ratio = dce.median / aligned.median
    spread = f"{dce.low / aligned.high:.2f} to {dce.high / aligned.low:.2f}"
    return Claim(
        name, claimed,
        f"{ratio:.2f}x less above the floor ({spread}), {whole_dce.median / whole.median:.2f}x in total: "
        f"{_kib(dce)} against {_kib(aligned)} an instance above the floor",
        ratio >= 3, "" if ratio >= 3 else "what requests leave behind is private to each instance in both, and no layout makes it equal",
    )  # fmt: skip


def _size(numbers: Numbers) -> Claim:
    name, claimed = "alignment costs no significant ELF size", "file within 5 % of the default layout's"
    found = find(numbers, "sizes", "aligned", "file / default")
    if not found:
        return Claim(name, claimed, NOT_MEASURED, None, "")
    holds = found.median <= 1.05
    return Claim(
        name, claimed, f"{found.median:.3f} of the default file, geometric mean of {found.n} apps ({found.low:.3f} to {found.high:.3f})",
        holds, "" if holds else "a program header and a section header for each window, and padding between windows",
    )  # fmt: skip


def _speed(numbers: Numbers) -> Claim:
    name, claimed = "alignment costs no significant speed", "work a second within 2 % of the default layout's"
    found = [ratio for layout in ("aligned", "aslr") if (ratio := find(numbers, "speed", "process", f"{layout}/default"))]
    if not found:
        return Claim(name, claimed, NOT_MEASURED, None, "")
    words = "; ".join(f"{number.measure} {number.median:.3f} ({number.low:.3f} to {number.high:.3f})" for number in found)
    holds = all(number.median >= 0.98 for number in found)
    return Claim(
        name, claimed, words, holds, "" if holds else "calls through linkage tables, or where loops happen to lie in the caches"
    )


def _lowest(numbers: Numbers) -> Claim:
    name, claimed = "ours is the lowest memory over time", "a pool configuration takes the least memory of all once idle"
    totals = [
        number
        for number in numbers.get("memory", [])
        if number.measure == "each"
        and not number.configuration.startswith("floor")
        and not number.configuration.endswith("kvm")
    ]
    ours = [number for number in totals if number.configuration.startswith("pool")]
    others = [number for number in totals if not number.configuration.startswith("pool")]
    if not ours or not others:
        return Claim(name, claimed, NOT_MEASURED, None, "")
    best, rival = min(ours, key=lambda number: number.median), min(others, key=lambda number: number.median)
    holds = best.median < rival.median
    return Claim(
        name, claimed, f"{best.configuration} {_kib(best)} an instance, the best other {rival.configuration} {_kib(rival)}",
        holds, "" if holds else _what_holds(numbers, best.configuration, rival.configuration),
    )  # fmt: skip


def _what_holds(numbers: Numbers, best: str, rival: str) -> str:
    """Where our memory is, by kind, an instance."""
    instances = find(numbers, "memory", best, "instances")
    count = instances.median if instances else 1
    kinds = []
    for measure in ("private", "kernel page tables", "pool in use"):
        if (ours := find(numbers, "memory", best, measure)) and (theirs := find(numbers, "memory", rival, measure)):
            kinds.append(f"{measure} {ours.median / count / 1024:.0f} KiB (there {theirs.median / count / 1024:.0f})")
    return (
        f"of {best}, an instance: "
        + ", ".join(kinds)
        + "; KSM also merges what requests leave behind where it is equal or zero"
    )


def _parked(numbers: Numbers) -> Claim:
    name, claimed = (
        "an idle virtual machine costs little",
        "at most 1.75 times an idle process, all counted, its machine given back",
    )
    found = []
    for layout in ("aligned", "aslr"):
        machine, process = (
            find(numbers, "memory", f"pool {layout} snapshot reset{how}", "each") for how in (" parked kvm", "")
        )
        if machine and process:
            found.append((layout, machine.median / process.median))
    if not found:
        return Claim(name, claimed, NOT_MEASURED, None, "")
    holds = all(ratio <= 1.75 for _, ratio in found)
    return Claim(
        name, claimed, "; ".join(f"{layout} {ratio:.2f}" for layout, ratio in found),
        holds, "" if holds else "the tender's own pages and page tables, which a process has none of",
    )  # fmt: skip


# Milliseconds above an empty instance: under KVM each first touch of a page is an exit.
_START_LIMITS = {"": 0.4, " kvm": 0.8}


def _starts(numbers: Numbers) -> Claim:
    name = "a start is a map"
    claimed = "a language's first answer, from a snapshot: at most 0.4 ms after an empty instance's, under KVM 0.8 ms"
    found = [
        (number, limit)
        for layout in ("aligned", "aslr")
        for tender, limit in _START_LIMITS.items()
        for language in ("lua", "javascript")
        if (number := find(numbers, "start", f"pool {layout} snapshot{tender}", f"{language} above empty"))
    ]
    if not found:
        return Claim(name, claimed, NOT_MEASURED, None, "")
    words = "; ".join(
        f"{number.configuration.removeprefix('pool ').replace(' snapshot', '')} {number.measure.split()[0]} {number.median:.2f}"
        for number, _ in found
    )
    holds = all(number.median <= limit for number, limit in found)
    return Claim(name, claimed, words, holds, "" if holds else "faults at the first touch of each page that a request needs")


def _flushes(numbers: Numbers) -> Claim:
    name, claimed = "fewest TLB flushes", "fewer than any configuration under KSM, for the same work"
    totals: dict[str, float] = {}
    for number in numbers.get("tlb", []):
        if number.measure in ("by ksmd", "by instances local", "by instances asked"):
            totals[number.configuration] = totals.get(number.configuration, 0) + number.median
    ours = {title: count for title, count in totals.items() if title.startswith("pool")}
    others = {title: count for title, count in totals.items() if not title.startswith("pool")}
    if not ours or not others:
        return Claim(name, claimed, NOT_MEASURED, None, "")
    most, least = max(ours.items(), key=lambda total: total[1]), min(others.items(), key=lambda total: total[1])
    holds = most[1] < least[1]
    return Claim(
        name, claimed, f"at most {most[1]:,.0f} ({most[0]}), under KSM at least {least[1]:,.0f} ({least[0]})",
        holds, "" if holds else "flushes of the instances' own copies on write",
    )  # fmt: skip


def _no_merging(numbers: Numbers) -> Claim:
    name, claimed = "the pool needs no merging", "no flush by ksmd, no processor time of ksmd"
    found = [
        number
        for number in numbers.get("tlb", [])
        if number.configuration.startswith("pool") and number.measure in ("by ksmd", "ksmd")
    ]
    if not found:
        return Claim(name, claimed, NOT_MEASURED, None, "")
    holds = all(number.high == 0 for number in found)
    words = ", ".join(f"{number.configuration}: {number.measure} {number.median:g} {number.unit}" for number in found)
    return Claim(name, claimed, words, holds, "" if holds else "KSM was at work for something else on this machine")


def _kib(number: ReportNumber) -> str:
    return f"{number.median / 1024:,.0f} KiB"
