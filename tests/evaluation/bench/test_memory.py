"""Readings of the whole host that cannot be true are taken again, and never shown."""

from __future__ import annotations

import asyncio

import pytest

from unishare.errors import UnishareError
from unishare.evaluation.bench.memory import TRIES, MemorySample, credible


def sample(total: int, one_more: float | None = 1.0) -> MemorySample:
    return MemorySample(total=total, pss=1, resident=0, one_more=one_more, start_ms=1.0, answers=1)


def measured(*samples: MemorySample, floor: MemorySample | None = None) -> tuple[MemorySample, list[str]]:
    left, told = list(samples), []

    async def measure() -> MemorySample:
        return left.pop(0)

    return asyncio.run(credible("kvm pool", measure, floor, told.append)), told


@pytest.mark.parametrize("untrue", [sample(-5), sample(0), sample(9, -0.5), sample(2)])
def test_what_cannot_be_true_is_told_and_measured_again(untrue: MemorySample) -> None:
    good = sample(10)
    found, told = measured(untrue, good, floor=sample(3))
    assert found == good
    assert len(told) == 1 and told[0].startswith("kvm pool: ") and "measured again" in told[0]


def test_a_credible_one_is_taken_at_once() -> None:
    assert measured(sample(3, 0.0), floor=sample(3)) == (sample(3, 0.0), [])


def test_without_a_credible_one_nothing_is_shown() -> None:
    with pytest.raises(UnishareError, match="memory cannot be measured") as caught:
        measured(*[sample(-5)] * TRIES)
    assert "quiet" in str(caught.value.hint)


def test_the_cost_of_one_more_alone_is_left_out_when_it_is_never_credible() -> None:
    found, told = measured(*[sample(10, -0.5)] * TRIES, floor=sample(3))
    assert found == sample(10, None)
    assert "left out" in told[-1]
