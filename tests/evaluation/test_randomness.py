"""The statistics of drawn addresses: known probabilities, and draws whose faults must be seen."""

from __future__ import annotations

import random
from math import sqrt

import pytest

from unishare.evaluation.randomness import chi_square_p, low_bits_p, most_frequent_difference, repeated, smallest_of_many

PAGE = 4096


# Critical values of chi-square for 255 and 15 degrees of freedom, from tables.
@pytest.mark.parametrize(
    ("freedom", "statistic", "p"),
    [
        (255, 293.248, 0.05),
        (255, 310.457, 0.01),
        (255, 254.334, 0.5),
        (255, 347.654, 0.0001),
        (15, 24.996, 0.05),
        (15, 30.578, 0.01),
    ],
)
def test_probabilities_are_those_of_tables(freedom: int, statistic: float, p: float) -> None:
    expected = 10**8
    apart = round(sqrt(statistic * expected / 2))
    counts = [expected + apart, expected - apart] + [expected] * (freedom - 1)
    assert chi_square_p(counts) == pytest.approx(p, rel=0.03)


def draws(count: int = 10_000, modules: int = 4, pages: int = 1 << 20, seed: int = 1) -> list[tuple[int, ...]]:
    source = random.Random(seed)
    return [tuple(source.randrange(pages) * PAGE for _ in range(modules)) for _ in range(count)]


def test_even_draws_pass() -> None:
    assert smallest_of_many(low_bits_p(draws(), 8)) > 0.01


def test_a_bit_that_is_always_clear_is_seen_in_its_module_only() -> None:
    biased = [(one, other & ~(8 * PAGE)) for one, other, *_ in draws()]
    good, bad = low_bits_p(biased, 8)
    assert good > 0.001 and bad < 1e-9


def test_a_slight_preference_is_seen() -> None:
    source = random.Random(2)
    preferring = [(one if source.random() > 0.05 else one // PAGE // 256 * 256 * PAGE,) for one, *_ in draws()]
    assert low_bits_p(preferring, 8)[0] < 1e-9


def test_modules_that_lie_apart_by_a_fixed_distance_are_seen() -> None:
    tied = [(one, other, one + 7 * PAGE) for one, other, *_ in draws()]
    assert most_frequent_difference(tied) == 1
    assert most_frequent_difference(draws()) < 0.001


def test_repeated_draws_are_counted() -> None:
    one = draws(100)
    assert repeated(one) == 0
    assert repeated([*one, one[3], one[3]]) == 2


def test_the_smallest_of_many_is_judged_by_how_many_there_are() -> None:
    assert smallest_of_many([0.01, 0.5, 0.9, 0.7]) == pytest.approx(0.04)
    assert smallest_of_many([0.5, 0.6, 0.9]) == 1
