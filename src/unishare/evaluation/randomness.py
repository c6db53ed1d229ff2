"""Are drawn addresses random? Statistics of many draws, without opinions.

In: for each draw one address a module. Out: p-values and counts. Pearson's chi-square statistic is turned into a probability by Wilson
and Hilferty's approximation (The distribution of chi-square, PNAS 17, 1931): the cube root of chi-square over its degrees of freedom is
nearly normal. It is good to three digits for the 255 degrees that eight bits give.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from statistics import NormalDist

from unishare.formats.addresses import PAGE

Draw = Sequence[int]


def chi_square_p(observed: Sequence[int]) -> float:
    """How likely counts as uneven as these, or more so, are if all are equally likely."""
    freedom = len(observed) - 1
    expected = sum(observed) / len(observed)
    statistic = sum((count - expected) ** 2 for count in observed) / expected
    spread = 2 / (9 * freedom)
    normal = (math.cbrt(statistic / freedom) - (1 - spread)) / math.sqrt(spread)
    return 1 - NormalDist().cdf(normal)


def low_bits_p(draws: Sequence[Draw], bits: int) -> list[float]:
    """For each module: the p-value of the low `bits` of its page number."""
    mask = (1 << bits) - 1
    found = []
    for addresses in zip(*draws, strict=True):
        counts = Counter(address // PAGE & mask for address in addresses)
        found.append(chi_square_p([counts[value] for value in range(mask + 1)]))
    return found


def smallest_of_many(p_values: Sequence[float]) -> float:
    """Bonferroni's bound: how likely the smallest of so many p-values is as small as this one, at most."""
    return min(1.0, min(p_values) * len(p_values))


def most_frequent_difference(draws: Sequence[Draw]) -> float:
    """Of all pairs of modules: the largest share of the draws in which their distance was the same. What an attacker who knows one base
    and bets on another's wins with."""
    columns = list(zip(*draws, strict=True))
    worst = 0
    for bases, other_bases in combinations(columns, 2):
        counts = Counter(map(int.__sub__, bases, other_bases))
        worst = max(worst, max(counts.values()))
    return worst / len(draws)


def repeated(draws: Sequence[Draw]) -> int:
    """How many draws had all bases equal to an earlier one's."""
    return len(draws) - len({tuple(draw) for draw in draws})
