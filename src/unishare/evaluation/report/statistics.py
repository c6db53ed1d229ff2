"""The few statistics that the report needs: middles with their spread, percentiles, and a straight line with its confidence interval."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

# Two-sided 95 % points of Student's t distribution by degrees of freedom (any table; NIST/SEMATECH e-Handbook, 1.3.6.7.2).
_T95 = (
    12.706,
    4.303,
    3.182,
    2.776,
    2.571,
    2.447,
    2.365,
    2.306,
    2.262,
    2.228,
    2.201,
    2.179,
    2.160,
    2.145,
    2.131,
    2.120,
    2.110,
    2.101,
    2.093,
    2.086,
)
_T95_MANY = 1.96


@dataclass(frozen=True)
class Summary:
    """Samples of one thing: their middle, the least and the most of them, and how many there are."""

    median: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, samples: Sequence[float]) -> Summary:
        return cls(statistics.median(samples), min(samples), max(samples), len(samples))


@dataclass(frozen=True)
class Line:
    """y = intercept + slope x, fitted by least squares; `slope_low` to `slope_high` holds the slope with 95 % confidence."""

    slope: float
    intercept: float
    slope_low: float
    slope_high: float


def fit(points: Sequence[tuple[float, float]]) -> Line | None:
    """The line through at least three points of different x; None for fewer."""
    if len({x for x, _ in points}) < 3:
        return None
    slope, intercept = statistics.linear_regression([x for x, _ in points], [y for _, y in points])
    middle = statistics.fmean(x for x, _ in points)
    spread = sum((x - middle) ** 2 for x, _ in points)
    freedom = len(points) - 2
    error = math.sqrt(sum((y - intercept - slope * x) ** 2 for x, y in points) / freedom / spread)
    t = _T95[freedom - 1] if freedom <= len(_T95) else _T95_MANY
    return Line(slope, intercept, slope - t * error, slope + t * error)


def percentile(samples: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def geometric(samples: Sequence[float]) -> float | None:
    """The geometric mean; None where there is nothing, or something not positive."""
    return statistics.geometric_mean(samples) if samples and min(samples) > 0 else None
