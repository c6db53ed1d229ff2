"""A fleet of one configuration: different functions started, asked and ended, under a private launcher.

Ending goes in parts: the kernel frees an instance's seccomp filter in a work queue of its own, and many thousands at once have blocked it on a
6.18 kernel (docs/evaluation.md, Safety).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from unishare.errors import UnishareError
from unishare.evaluation.bench.measured_fleet import TIME_LIMIT_MS, InstanceLostError
from unishare.evaluation.bench.workload import Function
from unishare.evaluation.run.product import start_options
from unishare.evaluation.scenario import Configuration
from unishare.fleet import launcher
from unishare.fleet.control import Control
from unishare.fleet.messages import StartedInstance, StartRequest
from unishare.settings import Settings

AT_ONCE = 8
ENDING = 128
ENDING_PAUSE_S = 0.5
# Longer than an instance waits for another request before it gives memory back (monitor, channel: QUIET).
QUIET_S = 0.5

Done = Callable[[int], None]


@dataclass
class Fleet:
    """Instances that run, each with its function; None for an empty one."""

    control: Control
    launcher_pid: int
    configuration: Configuration
    members: list[tuple[StartedInstance, Function | None]] = field(default_factory=list)
    answers: int = 0

    @property
    def pids(self) -> list[int]:
        """Of the instances."""
        return [started.pid for started, _ in self.members]

    async def grow(self, functions: Sequence[Function], count: int, done: Done = lambda _: None) -> None:
        """Start `count` more, the functions in turn, and have each answer its examples once: what runs has been asked."""
        first = len(self.members)
        wanted: list[Function | None] = [None] * count
        if not self.configuration.floor:
            wanted = [functions[(first + number) % len(functions)] for number in range(count)]
        gate = asyncio.Semaphore(AT_ONCE)
        fresh: list[tuple[StartedInstance, Function | None] | None] = [None] * count

        async def start_member(number: int, function: Function | None) -> None:
            async with gate:
                started = await self.start(function)
                fresh[number] = (started, function)
                if function is not None:
                    await self.ask(started, function)
                done(1)

        async with asyncio.TaskGroup() as group:
            for number, function in enumerate(wanted):
                group.create_task(start_member(number, function))
        self.members += [member for member in fresh if member is not None]

    async def ask(self, started: StartedInstance, function: Function, examples: int | None = None) -> None:
        """All examples of a function, or the first few; a wrong answer raises."""
        for expectation in function.expectations[:examples]:
            await expectation.check(self.control, started.instance, TIME_LIMIT_MS)
            self.answers += 1

    async def rest(self) -> None:
        """Leave it alone for as long as it takes until it is idle."""
        await asyncio.sleep(QUIET_S)

    async def end(self) -> None:
        """End all instances, in parts."""
        while self.members:
            part, self.members = self.members[:ENDING], self.members[ENDING:]
            for started, _ in part:
                with contextlib.suppress(UnishareError):
                    await self.control.stop(started.instance)
            await asyncio.sleep(ENDING_PAUSE_S)

    async def start(self, function: Function | None) -> StartedInstance:
        about = {
            "tender": self.configuration.tender,
            "sharing": self.configuration.sharing,
            **start_options(self.configuration, function.image.manifest if function else None),
        }
        if function is None:
            request = StartRequest(empty=True, **about)
        else:
            request = StartRequest(manifest=str(function.image.manifest), name=function.name, **about)
        answer = await self.control.start_with_warnings(request)
        (started,) = answer.instances
        if answer.warnings:
            raise UnishareError(
                f"{started.instance} did not start as asked: {answer.warnings[0]}", "unishare evaluate --prepare"
            )
        if started.state not in (None, "ready", "busy"):
            raise InstanceLostError(f"{started.instance} {started.state} while starting", "unishare run shows its console")
        return started


@contextlib.asynccontextmanager
async def running_fleet(settings: Settings, configuration: Configuration) -> AsyncIterator[Fleet]:
    """An empty fleet; all that it started is gone when the context ends, however it ends."""
    async with launcher.private(settings) as (control, pid):
        fleet = Fleet(control, pid, configuration)
        yield fleet
        await fleet.end()
