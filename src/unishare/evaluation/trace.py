"""Requests as a public cloud gets them: drawn from a seed by the published distributions of the Azure Functions 2019 data set.

Source: Shahrad et al., "Serverless in the Wild: Characterizing and Optimizing the Serverless Workload at a Large Cloud Provider",
USENIX ATC 2020. The figures used:

- popularity (their Figure 5): 45 % of applications are invoked once an hour or less on average, 81 % once a minute or less; rates reach over
  eight orders of magnitude. Drawn log-uniformly between these points, from once a week to 100 a second.
- triggers (Figure 2): 15.6 % of functions have timers: their requests come at equal distances; all others as a Poisson process.
- duration (Figure 7): log-normal, log-mean -0.38 and sigma 2.36, in seconds.

What is simplified, so that a window of an hour fits into seconds: an instance answers at most `MOST` requests in the window (the most popular
ones are thinned: an idle-memory figure is not changed by the thousandth request), and a request lasts as long as our functions need, repeated
at most `REPEATS` times where the drawn duration, shortened by the same factor, is longer.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

WINDOW_S = 3600.0
MOST = 12
REPEATS = 3
TIMERS = 0.156
LOG_MEAN, SIGMA = -0.38, 2.36
# (share of functions at or below, invocations a day)
POPULARITY: Sequence[tuple[float, float]] = ((0.0, 1 / 7), (0.45, 24.0), (0.81, 1440.0), (1.0, 100.0 * 86400))


@dataclass(frozen=True)
class Request:
    """When (seconds of the run) which function is asked, and how many times in a row."""

    at: float
    function: int
    times: int


def draw_requests(functions: int, seconds: float, seed: int) -> list[Request]:
    """The requests of a window, in the order in which they come; the same for the same seed."""
    draw = random.Random(f"trace {seed} {functions}")
    requests = []
    for function in range(functions):
        rate = rate_per_day(draw.random()) / 86400 * WINDOW_S
        timer = draw.random() < TIMERS
        for at in _times(draw, rate, timer):
            duration = draw.lognormvariate(LOG_MEAN, SIGMA) * seconds / WINDOW_S
            requests.append(Request(at * seconds, function, min(REPEATS, 1 + math.floor(duration / 0.05))))
    return sorted(requests, key=lambda request: (request.at, request.function))


def rate_per_day(share: float) -> float:
    """Invocations a day of the function that is more popular than this share of all."""
    for (below, low), (above, high) in itertools.pairwise(POPULARITY):
        if share <= above:
            return float(low * (high / low) ** ((share - below) / (above - below)))
    return POPULARITY[-1][1]


def _times(draw: random.Random, expected: float, timer: bool) -> list[float]:
    """Moments in [0, 1); thinned evenly above MOST."""
    if timer:
        phase = draw.random()
        times = [(number + phase) / expected for number in range(min(math.floor(expected) + 1, 10_000))]
    else:
        count = _poisson(draw, expected)
        times = sorted(draw.random() for _ in range(min(count, 10_000)))
    times = [at for at in times if at < 1]
    return times if len(times) <= MOST else [times[index * len(times) // MOST] for index in range(MOST)]


def _poisson(draw: random.Random, expected: float) -> int:
    """How many events; for many, the normal approximation, which the thinning hides anyway."""
    if expected > 50:
        return max(0, round(draw.gauss(expected, math.sqrt(expected))))
    count, product, limit = 0, draw.random(), math.exp(-expected)
    while product > limit:
        count += 1
        product *= draw.random()
    return count
