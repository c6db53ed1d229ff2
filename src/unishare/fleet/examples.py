"""The examples of an app's recipe as requests with expected answers. Called by `unishare test`, the benchmarks and the tests."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unishare.errors import UnishareError
from unishare.fleet.control import PAYLOAD_MAX, Control
from unishare.formats.bounded import read_file

if TYPE_CHECKING:
    from unishare.toolchain.recipes.recipe import AppRecipe, Example


class WrongAnswerError(UnishareError):
    """A function answered, but not what it should have."""

    exit_code = 1


@dataclass(frozen=True)
class Expectation:
    """One request and how to tell a right answer."""

    app: str
    request: bytes
    answer: bytes | None
    pattern: re.Pattern[bytes] | None
    status: int
    round_trip: bytes | None

    async def check(self, control: Control, instance: str, time_limit_ms: int) -> None:
        """Ask an instance and compare."""
        reply = await control.invoke(instance, self.request, time_limit_ms)
        self._compare(instance, reply.status, reply.payload)
        if self.round_trip is not None:
            back = await control.invoke(instance, self.round_trip + reply.payload, time_limit_ms)
            if back.status != 0 or back.payload != self.request:
                raise WrongAnswerError(
                    f"{instance}: the answer, sent back, did not give the request ({_excerpt(back.payload)})"
                )

    def _compare(self, instance: str, status: int, payload: bytes) -> None:
        right = status == self.status
        if self.answer is not None:
            right = right and payload == self.answer
        if self.pattern is not None:
            right = right and self.pattern.fullmatch(payload) is not None
        if not right:
            raise WrongAnswerError(
                f"{instance}: wrong answer (status {status}, {_excerpt(payload)})",
                f"the request was {_excerpt(self.request)}; see the examples in the app's app.toml",
            )


def expectations(recipe: AppRecipe) -> tuple[Expectation, ...]:
    """An app's examples."""
    return tuple(_expectation(recipe.name, recipe.folder, example) for example in recipe.example)


def _expectation(app: str, folder: Path, example: Example) -> Expectation:
    pattern = example.answer_pattern
    round_trip = example.round_trip
    return Expectation(
        app=app,
        request=_bytes(folder, example.request, example.request_file, example.request_hex) or b"",
        answer=_bytes(folder, example.answer, example.answer_file, example.answer_hex),
        pattern=re.compile(pattern.encode(), re.DOTALL) if pattern is not None else None,
        status=example.status,
        round_trip=(round_trip.encode() if isinstance(round_trip, str) else b"") if round_trip else None,
    )


def _bytes(folder: Path, text: str | None, file: str | None, digits: str | None) -> bytes | None:
    if text is not None:
        return text.encode()
    if file is not None:
        return read_file(folder / file, PAYLOAD_MAX)
    return bytes.fromhex(digits) if digits is not None else None


def _excerpt(payload: bytes) -> str:
    shown = repr(payload[:80])[1:]
    return f"{shown}... ({len(payload)} bytes)" if len(payload) > 80 else shown
