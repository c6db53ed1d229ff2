"""Checking a population: each image runs once, is asked all its examples, and ends. Wrong answers are collected, not raised."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from unishare.errors import UnishareError
from unishare.evaluation.bench.workload import Function
from unishare.fleet import launcher
from unishare.fleet.control import Control, LauncherGoneError
from unishare.fleet.messages import StartRequest, Tender
from unishare.settings import Settings

AT_ONCE = 8
TIME_LIMIT_MS = 60_000


@dataclass(frozen=True)
class Wrong:
    """An image that did not answer as it should, and why."""

    layout: str
    app: str
    reason: str


async def check(
    settings: Settings, functions: Sequence[tuple[str, Function]], tender: Tender, done: Callable[[], None]
) -> list[Wrong]:
    """Ask images, given with their layouts; those that were wrong. The launcher's own failure is raised."""
    gate = asyncio.Semaphore(AT_ONCE)
    wrong: list[Wrong] = []
    async with launcher.private(settings) as (control, _):

        async def check_function(layout: str, function: Function) -> None:
            async with gate:
                try:
                    await _ask(control, function, tender)
                except LauncherGoneError:
                    raise
                except UnishareError as error:
                    # Others go on: one report names all that are wrong.
                    wrong.append(Wrong(layout, function.name, error.message))
                done()

        try:
            async with asyncio.TaskGroup() as group:
                for layout, function in functions:
                    group.create_task(check_function(layout, function))
        except ExceptionGroup as failures:
            # All fail for the same reason: without a launcher nothing runs.
            raise failures.exceptions[0] from None
    return sorted(wrong, key=lambda failure: (failure.layout, failure.app))


async def _ask(control: Control, function: Function, tender: Tender) -> None:
    request = StartRequest(manifest=str(function.image.manifest), tender=tender, name=function.name)
    (started,) = await control.start(request)
    try:
        for expectation in function.expectations:
            await expectation.check(control, started.instance, TIME_LIMIT_MS)
    finally:
        # One that crashed needs no stopping, and its crash is what to report.
        with contextlib.suppress(UnishareError):
            await control.stop(started.instance)
