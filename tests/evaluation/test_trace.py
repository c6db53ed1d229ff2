"""The trace is the same for a seed, and has the published distributions."""

from __future__ import annotations

import random

import pytest

from unishare.evaluation.trace import MOST, REPEATS, draw_requests, rate_per_day


def test_popularity_is_as_published() -> None:
    shares = [random.Random(1).random() for _ in range(1)] + [number / 20_000 for number in range(20_000)]
    rates = [rate_per_day(share) for share in shares]
    assert sum(rate <= 24 for rate in rates) / len(rates) == pytest.approx(0.45, abs=0.002)
    assert sum(rate <= 1440 for rate in rates) / len(rates) == pytest.approx(0.81, abs=0.002)
    assert max(rates) / min(rates) > 10**7


def test_requests_are_the_same_for_a_seed_and_within_limits() -> None:
    drawn = draw_requests(1000, 12.0, 7)
    assert drawn == draw_requests(1000, 12.0, 7) != draw_requests(1000, 12.0, 8)
    assert drawn == sorted(drawn, key=lambda one: (one.at, one.function))
    assert all(0 <= one.at < 12 and 1 <= one.times <= REPEATS for one in drawn)
    counts = [sum(one.function == function for one in drawn) for function in range(1000)]
    assert max(counts) == MOST
    # Those of once an hour or less: nearly all are not asked in a window of an hour, or once.
    assert 0.2 < sum(count == 0 for count in counts) / 1000 < 0.45
