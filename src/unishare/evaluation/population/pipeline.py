"""Drawing functions: a walk over shapes, from an intake through steps that take what the one before gives.

A function depends on the seed and its number alone: a larger population begins with the smaller one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from random import Random

from unishare.evaluation.population.project import GeneratedFunction
from unishare.evaluation.population.registry import INTAKES, LIBRARY_STEPS, PLAIN_STEPS
from unishare.evaluation.population.shapes import Shape, fits
from unishare.evaluation.population.step import Intake, Step

# The first step parses; the others are drawn.
SHORTEST, LONGEST = 3, 8
GROWING = 2
# How many of a function's steps are to call a library, and how often.
_LIBRARY_STEPS = (0, 1, 1, 2, 2, 2, 3, 3, 4)


class Draw:
    """The random sources of one function: one for its code, one for its requests."""

    def __init__(self, seed: int, number: int) -> None:
        self.code = _random(seed, number, "code")
        self.requests = _random(seed, number, "requests")


def function(seed: int, number: int, random: Random, kinds: Sequence[type[Step]] | None = None) -> GeneratedFunction:
    """The function with a number."""
    intakes = [kind for kind in INTAKES if kind in kinds] if kinds else list(INTAKES)
    intake: Intake = random.choice(intakes)(random)
    length = random.randint(SHORTEST, LONGEST) - 1
    with_library = min(random.choice(_LIBRARY_STEPS), length)
    places = set(random.sample(range(length), with_library))
    walk = _Walk(intake.gives, random, kinds)
    steps = [walk.step(LIBRARY_STEPS if place in places else PLAIN_STEPS) for place in range(length)]
    return GeneratedFunction(name(seed, number), intake, steps)


def name(seed: int, number: int) -> str:
    """The app's name: images of different populations must not take each other's place."""
    return f"p{seed}-{number:04}"


class _Walk:
    """Steps one after another, different as far as possible."""

    def __init__(self, shape: Shape, random: Random, kinds: Sequence[type[Step]] | None) -> None:
        self._shape = shape
        self._random = random
        self._kinds = kinds
        self._used: list[type[Step]] = []

    def step(self, wanted: Sequence[type[Step]]) -> Step:
        """The next step, of the wanted ones if any of them fits."""
        kinds = self._fitting(wanted) or self._fitting(PLAIN_STEPS)
        kind = self._random.choice(kinds)
        self._used.append(kind)
        self._shape = kind.gives
        return kind(self._random)

    def _fitting(self, wanted: Sequence[type[Step]]) -> list[type[Step]]:
        grown = sum(kind.grows for kind in self._used)
        kinds = [
            kind
            for kind in wanted
            if fits(self._shape, kind.takes)
            and (not kind.grows or grown < GROWING)
            and (self._kinds is None or kind in self._kinds)
        ]
        fresh = [kind for kind in kinds if kind not in self._used] or kinds
        # Work made for this shape is more telling than work that any bytes would do.
        return [kind for kind in fresh for _ in range(3 if kind.takes is self._shape else 1)]


def _random(seed: int, number: int, purpose: str) -> Random:
    return Random(hashlib.sha256(f"unishare population 1: {seed} {number} {purpose}".encode()).digest())
