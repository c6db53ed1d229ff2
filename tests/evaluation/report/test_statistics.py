"""The line's interval against a worked example, percentiles against counting."""

from __future__ import annotations

import random

import pytest

from unishare.evaluation.report.statistics import Summary, fit, geometric, percentile


def test_a_straight_line_has_no_doubt() -> None:
    line = fit([(x, 3.0 * x + 5) for x in range(1, 11)])
    assert line is not None
    assert (line.slope, line.intercept, line.slope_low, line.slope_high) == pytest.approx((3, 5, 3, 3))


def test_the_interval_of_a_worked_example() -> None:
    # y = x + noise, by hand: slope 0.9, residuals 0.1, 0.2, -0.7, 0.4 -> s = 0.5916, Sxx = 5, t(2) = 4.303
    line = fit([(1, 1.0), (2, 2.0), (3, 2.0), (4, 4.0)])
    assert line is not None
    assert line.slope == pytest.approx(0.9)
    assert line.slope_high - line.slope == pytest.approx(4.303 * (0.7 / 2 / 5) ** 0.5, abs=1e-3)


def test_the_interval_holds_the_truth_95_times_of_100() -> None:
    draw = random.Random(3)
    inside = 0
    for _ in range(1000):
        line = fit([(x, 2 * x + draw.gauss(0, 5)) for x in range(10)])
        assert line is not None
        inside += line.slope_low <= 2 <= line.slope_high
    assert 930 <= inside <= 970


def test_few_points_give_no_line() -> None:
    assert fit([(1, 1), (1, 2), (2, 2)]) is None


def test_percentiles_and_middles() -> None:
    samples = [float(number) for number in range(1, 101)]
    random.Random(1).shuffle(samples)
    assert (percentile(samples, 50), percentile(samples, 99), percentile(samples, 100)) == (50, 99, 100)
    assert percentile([4.0], 99) == 4
    assert Summary.of(samples) == Summary(50.5, 1, 100, 100)
    assert geometric([1, 4]) == 2 and geometric([]) is None and geometric([0, 1]) is None
