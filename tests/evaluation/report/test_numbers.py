"""Numbers that are made of readings of several configurations."""

from __future__ import annotations

import pytest

from unishare.evaluation.report.measured import Measured
from unishare.evaluation.report.numbers import start
from unishare.evaluation.run.samples import Part, PartName, Reading
from unishare.evaluation.scenario import find_scenario


def part(title: str, round_: int, empty: float, **times: float) -> Part:
    readings = [Reading("first answer", "ms", value, subject=app) for app, value in times.items()]
    return Part(PartName("start", title, round_), [*readings, Reading("empty first answer", "ms", empty)], {})


def test_a_start_is_above_the_empty_ones_of_its_own_turns() -> None:
    parts = [
        part("pool aslr snapshot", 1, 1.0, lua=1.25, javascript=1.5),
        part("pool aslr snapshot", 2, 3.0, lua=3.75),
        part("pool aslr snapshot kvm", 1, 10.0, lua=10.5),
    ]
    numbers = {
        (number.configuration, number.measure): number for number in start(Measured(find_scenario("start"), parts, {}, "full"))
    }
    lua = numbers["pool aslr snapshot", "lua above empty"]
    assert (lua.low, lua.median, lua.high, lua.n) == (0.25, 0.5, 0.75, 2)
    assert numbers["pool aslr snapshot", "javascript above empty"].median == pytest.approx(0.5)
    assert numbers["pool aslr snapshot kvm", "lua above empty"].median == pytest.approx(0.5)
    # Empty ones are none of the configuration's own starts.
    assert numbers["pool aslr snapshot", "first answer p99"].median == 3.75
