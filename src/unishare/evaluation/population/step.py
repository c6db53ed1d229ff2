"""The one interface of all steps: C for the guest, and the same work in Python, which says what the guest must answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from random import Random
from typing import ClassVar

from unishare.evaluation.population.shapes import Shape


class Refusal(Exception):
    """A request that the generated function refuses: its status and its message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Step(ABC):
    """One piece of work with constants of its own, drawn from a random source when it is made.

    `c_source(name)` defines `static int name(const struct bytes *in, struct bytes *out)`, which appends to an empty `out` and
    returns a status: 0 is good, anything else ends the request. What it defines besides begins with `name`, so that a
    function may hold two steps of one kind.
    """

    # Headers, macros that are set before them, and catalogue libraries that the source uses, besides the C library's.
    headers: ClassVar[tuple[str, ...]] = ()
    macros: ClassVar[tuple[str, ...]] = ()
    libraries: ClassVar[tuple[str, ...]] = ()
    takes: ClassVar[Shape]
    gives: ClassVar[Shape]
    # What the step does, in words that stand in the generated program: not a docstring, which `python -OO` takes away.
    does: ClassVar[str]
    # Whether the result may be much larger than what went in: a pipeline holds few of these.
    grows: ClassVar[bool] = False

    @abstractmethod
    def __init__(self, random: Random) -> None:
        """Draw the step's constants."""

    @abstractmethod
    def c_source(self, name: str) -> str:
        """The step in C; it may call all of c_helpers."""

    @abstractmethod
    def evaluate(self, data: bytes) -> bytes:
        """The step in Python. Raises `Refusal`."""

    def files(self, name: str) -> Mapping[str, bytes]:
        """Files that the C reads as `/app/<file>`."""
        return {}


class Intake(Step):
    """A first step: parses what a stranger sent and refuses what is wrong, in the words that the C uses."""

    takes = Shape.BYTES

    @abstractmethod
    def good_request(self, random: Random) -> bytes:
        """A request that it takes."""

    @abstractmethod
    def bad_request(self, random: Random) -> bytes:
        """A request that it refuses."""
