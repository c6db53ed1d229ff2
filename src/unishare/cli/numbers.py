"""Numbers of the command line that are no whole ones: within bounds, and numbers at all."""

from __future__ import annotations

import math
from typing import Any

import click

# More than anyone waits for or keeps, and little enough for every unit that it becomes.
MOST_SECONDS = 1e9
MOST_DAYS = 1e5


class NumberRange(click.FloatRange):
    """A range of numbers. NaN, which every comparison lets pass, is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Refuse what is no number."""
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


SECONDS = NumberRange(min=0, min_open=True, max=MOST_SECONDS)
