"""Starts a mixed fleet under a private launcher and asks every instance: the load of the memory benchmark and the demo."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from unishare.errors import TimeLimitError, UnishareError
from unishare.evaluation.bench.workload import Function
from unishare.fleet.control import Control
from unishare.fleet.crash import explain
from unishare.fleet.messages import Sharing, StartedInstance, StartRequest, Tender
from unishare.formats.snapshot import snapshots_of

BATCH = 50
ASKING = 16
TIME_LIMIT_MS = 60_000
PARKING_LIMIT_S = 60
PARKING_POLL_S = 0.01

T = TypeVar("T")
Step = Callable[[int], None]


class InstanceLostError(UnishareError):
    """An instance ended although nobody stopped it."""

    exit_code = 1


@dataclass
class MeasuredFleet:
    """Running instances and what they are; grows by `start_mixed` and `start_empty`. `from_snapshots`: each from one of its image's. `park_ms`: how
    long they wait until they give their machines back (None: as long as any does)."""

    control: Control
    tender: Tender
    sharing: Sharing
    from_snapshots: bool = False
    park_ms: int | None = None
    members: list[tuple[StartedInstance, Function | None]] = field(default_factory=list)

    @property
    def pids(self) -> list[int]:
        """The processes of all members."""
        return [started.pid for started, _ in self.members]

    def start_times_us(self) -> list[int]:
        """From fork to READY, of each member."""
        return [started.start_us for started, _ in self.members if started.start_us is not None]

    def median_start_ms(self) -> float:
        """The middle of the start times."""
        return statistics.median(self.start_times_us() or [0]) / 1000

    async def start_empty(self, count: int, step: Step) -> None:
        """Start floor guests."""
        for batch in _batches(count):
            await self._start(StartRequest(empty=True, tender=self.tender, sharing=self.sharing, count=batch), None)
            step(batch)

    async def start_mixed(self, functions: Sequence[Function], count: int, step: Step) -> None:
        """Start `count` instances, the functions in equal parts, batch by batch so that all kinds grow together."""
        for function, batch in in_equal_parts(functions, count, BATCH):
            request = StartRequest(
                manifest=str(function.image.manifest),
                tender=self.tender,
                sharing=self.sharing,
                count=batch,
                name=function.name,
                snapshots=[str(file) for file in snapshots_of(function.image.manifest)] if self.from_snapshots else None,
                park_ms=self.park_ms,
            )
            await self._start(request, function)
            step(batch)

    async def ask_all(self, step: Step, first: int = 0) -> int:
        """Ask every function instance from member `first` on all its examples; how many answers were right. A wrong one raises."""
        gate = asyncio.Semaphore(ASKING)

        async def ask(instance: str, function: Function) -> int:
            async with gate:
                for expectation in function.expectations:
                    await expectation.check(self.control, instance, TIME_LIMIT_MS)
                step(1)
                return len(function.expectations)

        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(ask(started.instance, function))
                for started, function in self.members[first:]
                if function is not None
            ]
        return sum(task.result() for task in tasks)

    async def all_parked(self) -> None:
        """Wait until no member has a machine; TimeLimitError after long patience."""
        await until_parked(self.control, {started.instance for started, _ in self.members}, PARKING_LIMIT_S)

    async def _start(self, request: StartRequest, function: Function | None) -> None:
        for started in await self.control.start(request):
            if started.state not in (None, "ready", "busy"):
                raise InstanceLostError(f"{started.instance} {started.state} while starting", await self._reason(started))
            self.members.append((started, function))

    async def _reason(self, started: StartedInstance) -> str:
        if started.state != "crashed":
            return "run it in the foreground with 'unishare run' to see its console"
        return explain((await self.control.crash(started.instance)).record).report


def in_equal_parts(kinds: Sequence[T], count: int, most: int) -> Iterator[tuple[T, int]]:
    """`count` instances, the kinds in equal parts and in turns: what is started next, and how many of it (at most `most`)."""
    shares = [count // len(kinds) + (index < count % len(kinds)) for index in range(len(kinds))]
    while any(shares):
        for index, kind in enumerate(kinds):
            if batch := min(most, shares[index]):
                shares[index] -= batch
                yield kind, batch


async def until_parked(control: Control, instances: Container[str], limit_s: float) -> None:
    """Wait for instances to give their machines back; TimeLimitError if one does not within `limit_s` seconds."""
    deadline = time.monotonic() + limit_s
    while late := [row.instance for row in await control.list() if row.instance in instances and row.state != "parked"]:
        if time.monotonic() > deadline:
            raise TimeLimitError(f"{late[0]} was not parked within {limit_s:.0f} s", "see 'unishare ps'")
        await asyncio.sleep(PARKING_POLL_S)


def _batches(count: int) -> list[int]:
    return [min(BATCH, count - start) for start in range(0, count, BATCH)]
