"""Each claim is judged by its numbers: it holds, it misses and says by what it is held, or it was not measured."""

from __future__ import annotations

from unishare.evaluation.report.claims import claims
from unishare.evaluation.report.measured import ReportNumber


def number(configuration: str, measure: str, value: float, unit: str = "bytes") -> ReportNumber:
    return ReportNumber(configuration, measure, unit, value, value, value, 3)


def memory(**each: float) -> list[ReportNumber]:
    found = []
    for title, value in each.items():
        title = title.replace("_plus_", "+").replace("_", " ")
        found += [
            number(title, "each", value + 70_000),
            number(title, "each above floor", value),
            number(title, "instances", 100, ""),
        ]
    return found


def test_nothing_measured() -> None:
    assert {claim.measured for claim in claims({})} == {"not measured in this run"}
    assert {claim.holds for claim in claims({})} == {None}


def test_claims_that_hold_and_that_miss() -> None:
    good = memory(dce_plus_ksm=480_000, aligned_plus_ksm=150_000, pool_aslr=40_000)
    bad = memory(dce_plus_ksm=300_000, aligned_plus_ksm=150_000, pool_aslr=390_000)
    for numbers, holds in ((good, True), (bad, False)):
        by_name = {claim.claim: claim for claim in claims({"memory": numbers})}
        for name in ("alignment makes KSM worth while", "ours is the lowest memory over time"):
            assert by_name[name].holds is holds, name
            assert bool(by_name[name].held_by) is not holds
    assert "3.20x less above the floor" in claims({"memory": good})[0].measured


def test_flushes() -> None:
    def rows(ours: float, theirs: float) -> dict[str, list[ReportNumber]]:
        return {
            "tlb": [
                number("pool aslr", "by ksmd", 0, "flushes"),
                number("pool aslr", "ksmd", 0, "s"),
                number("pool aslr", "by instances local", ours, "flushes"),
                number("aligned+ksm published", "by ksmd", theirs, "flushes"),
            ]
        }

    by_name = {claim.claim: claim for claim in claims(rows(3, 5))}
    assert by_name["fewest TLB flushes"].holds and by_name["the pool needs no merging"].holds
    assert not {claim.claim: claim for claim in claims(rows(6, 5))}["fewest TLB flushes"].holds


def test_starts_are_judged_by_the_tender() -> None:
    def judged(process: float, kvm: float) -> bool | None:
        rows = [
            number("pool aslr snapshot", "lua above empty", process, "ms"),
            number("pool aslr snapshot kvm", "javascript above empty", kvm, "ms"),
        ]
        return {claim.claim: claim for claim in claims({"start": rows})}["a start is a map"].holds

    assert judged(0.3, 0.7) is True
    assert judged(0.5, 0.7) is False and judged(0.3, 0.9) is False


def test_idle_machines_are_compared_with_processes() -> None:
    def judged(machine: float) -> bool | None:
        rows = [
            number("pool aligned snapshot reset", "each", 100_000),
            number("pool aligned snapshot reset parked kvm", "each", machine),
        ]
        return {claim.claim: claim for claim in claims({"memory": rows})}["an idle virtual machine costs little"].holds

    assert judged(174_000) is True and judged(176_000) is False
