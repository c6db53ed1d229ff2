"""Measures the parts of a plan one after the other: skips what is done or cannot be here, repeats readings that cannot be true, keeps the rest.

What became of each part is in `OUTPUT/run.json`. An interrupt ends the running part only: its fleet and KSM's parameters are given back by their
contexts, and the next run goes on where this one stopped.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from unishare.errors import UnishareError
from unishare.evaluation.kinds import deduplication, growth, libraries, memory, peers, scale, sizes, speed, start, tlb
from unishare.evaluation.run.context import Task
from unishare.evaluation.run.limits import refuse_what_does_not_fit
from unishare.evaluation.run.memory_readings import ImpossibleReading
from unishare.evaluation.run.plan import PlannedPart, seconds
from unishare.evaluation.run.product import lacks
from unishare.evaluation.run.samples import Reading, Samples
from unishare.host import ksm, tlb_flushes
from unishare.host.doctor import kvm_problem
from unishare.settings import Settings
from unishare.state import replace_file

ATTEMPTS = 3
Measure = Callable[[Task], Awaitable[list[Reading]]]
Step = Callable[[str, int, int], None]
State = Literal["done", "skipped", "failed", "no time"]

KINDS: dict[str, Measure] = {
    "growth": growth.measure,
    "memory": memory.measure,
    "tlb": tlb.measure,
    "sizes": sizes.measure,
    "speed": speed.measure,
    "start": start.measure,
    "libraries": libraries.measure,
    "deduplication": deduplication.measure,
    "scale": scale.measure,
    "peers": peers.measure,
}
STATIC = ("sizes", "libraries")


@dataclass(frozen=True)
class Outcome:
    """What became of a part."""

    scenario: str
    configuration: str
    round: int
    order: int
    state: State
    reason: str = ""
    seconds: float = 0.0
    fingerprint: str = ""


class Conductor:
    """One run. `budget_s`: parts that would end later are left out; None: all are measured."""

    def __init__(
        self, settings: Settings, samples: Samples, programs: str, budget_s: float | None, say: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._samples = samples
        self._programs = programs
        self._began = time.monotonic()
        self._budget = budget_s
        self._say = say
        self._pace = 1.0

    def run(self, parts: Sequence[PlannedPart], step: Step) -> list[Outcome]:
        """Measure; outcomes in the order of the parts."""
        outcomes: list[Outcome] = []
        for number, part in enumerate(parts):
            outcome = self._outcome(part, step)
            outcomes.append(outcome)
            left = [
                planned
                for planned in parts[number + 1 :]
                if not self._samples.done(planned.name, planned.fingerprint(self._programs))
            ]
            about = f"{seconds(left) * self._pace / 60:.1f} min to go" if left else "the last"
            taken = f" {outcome.seconds:.0f} s" if outcome.seconds else ""
            why = f": {outcome.reason}" if outcome.reason else ""
            self._say(
                f"{number + 1}/{len(parts)} {part.name.scenario}: {part.name.configuration} #{part.round}: {outcome.state}{taken}{why} ({about})"
            )
        return outcomes

    def _outcome(self, part: PlannedPart, step: Step) -> Outcome:
        fingerprint = part.fingerprint(self._programs)

        def outcome(state: State, reason: str = "", taken: float = 0.0) -> Outcome:
            name = part.name
            return Outcome(
                name.scenario, name.configuration, name.round, part.order, state, reason, round(taken, 1), fingerprint
            )

        if self._samples.done(part.name, fingerprint):
            return outcome("done")
        if why := obstacle(part):
            return outcome("skipped", why)
        if self._budget is not None and time.monotonic() - self._began + part.seconds() * self._pace > self._budget:
            return outcome("no time", "the time budget is used up")
        began = time.monotonic()
        try:
            readings = self._measure(part, step)
        except UnishareError as error:
            why = f"{error.message} ({error.hint})" if error.hint else error.message
            return outcome("failed", why, time.monotonic() - began)
        except Exception as error:  # One part's defect must not take the others' hour with it; the report names it.
            return outcome("failed", f"{type(error).__name__}: {error}", time.monotonic() - began)
        taken = time.monotonic() - began
        facts = {
            "fingerprint": fingerprint,
            "order": part.order,
            "seconds": round(taken, 1),
            "size": part.size.model_dump(),
            "command": command(part),
        }
        self._samples.write(part.name, readings, facts)
        # What this machine needs, against what was estimated: a running average of the last few parts.
        self._pace = 0.7 * self._pace + 0.3 * taken / part.seconds()
        return outcome("done", taken=taken)

    def _measure(self, part: PlannedPart, step: Step) -> list[Reading]:
        if part.scenario.kind not in STATIC:
            refuse_what_does_not_fit(part.configuration, part.size.instances)
        task = Task(self._settings, part.scenario, part.configuration, part.size, part.round, step)
        for attempt in range(ATTEMPTS):
            try:
                return asyncio.run(_unwrapped(KINDS[part.scenario.kind](task)))
            except ImpossibleReading as error:
                if attempt == ATTEMPTS - 1:
                    raise
                self._say(f"{part.name.scenario}: {part.name.configuration}: measured again: {error.message}")
        raise AssertionError("unreachable")


async def _unwrapped(measuring: Awaitable[list[Reading]]) -> list[Reading]:
    """A task group's failure is that of its first task."""
    try:
        return await measuring
    except BaseExceptionGroup as group:
        raise _first(group) from None


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def obstacle(part: PlannedPart) -> str | None:
    """Why a part cannot be measured here, said in its place in the report; None where it can."""
    try:
        return _obstacle(part)
    except OSError as error:  # What even looking for is refused is not here.
        return f"{error.filename}: {error.strerror}"


def _obstacle(part: PlannedPart) -> str | None:
    configuration = part.configuration
    if why := lacks(configuration):
        return why
    if part.scenario.kind in STATIC or part.scenario.kind == "peers":
        return None
    if configuration.tender == "kvm" and (why := kvm_problem()):
        return why
    if configuration.sharing == "ksm" and (why := ksm.problem()):
        return why
    if part.scenario.kind == "tlb" and (why := tlb_flushes.problem()):
        return why
    if part.scenario.kind == "growth" and os.geteuid():
        return "reading the pages of other processes is root's"
    return None


def command(part: PlannedPart) -> str:
    """What measures this part again."""
    size = part.size
    quick = " --quick" if size == part.scenario.quick and size != part.scenario.full else ""
    return f"unishare evaluate {part.scenario.scenario}{quick}"


def write_run(output: Path, size: str, outcomes: Sequence[Outcome], environment: dict[str, object]) -> None:
    """Keep what became of all parts."""
    whole = {"size": size, "environment": environment, "parts": [asdict(outcome) for outcome in outcomes]}
    replace_file(output / "run.json", (json.dumps(whole, indent=1) + "\n").encode())
