"""The launcher's messages as types: what docs/formats/control.md says, and nothing else.

Unknown keys are errors in both directions, so that a launcher and a client of different versions notice at once.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Tender = Literal["kvm", "process"]
Sharing = Literal["pool", "copy", "ksm"]
State = Literal["starting", "ready", "parked", "busy", "exited", "crashed", "stopped", "timed-out"]

LIVE_STATES: frozenset[str] = frozenset({"starting", "ready", "parked", "busy"})


class Message(BaseModel):
    """One JSON object on the wire."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Hello(Message):
    version: str
    pid: int
    tenders: list[str]
    pool: str
    namespaces: list[str]


class StartRequest(Message):
    """What to start: a manifest, or the floor guest (`empty`)."""

    manifest: str | None = None
    empty: bool = False
    snapshots: list[str] | None = None
    reset: bool = False
    tender: Tender = "kvm"
    sharing: Sharing = "pool"
    count: int = 1
    memory: int | None = None
    seed: int | None = None
    gaps: int | None = None
    argv: list[str] | None = None
    env: dict[str, str] | None = None
    logs: str | None = None
    time_limit_ms: int | None = None
    cpu_limit_s: int | None = None
    log_limit: int | None = None
    quiet_ms: int | None = None
    park_ms: int | None = None
    name: str | None = None
    restart: bool = False


class StartedInstance(Message):
    """One instance after `start`; `start_us` runs from fork to READY. `state` is given when it has already ended."""

    instance: str
    pid: int
    start_us: int | None = None
    state: State | None = None


class Started(Message):
    """`warnings`: which snapshots were not used, and why."""

    instances: list[StartedInstance]
    warnings: list[str] = []


class Answer(Message):
    """A function's answer; `payload` travels behind the JSON object."""

    status: int
    duration_us: int
    payload: bytes = b""


class Instance(Message):
    """One line of `unishare ps`."""

    instance: str
    image: str | None
    pid: int
    tender: Tender
    sharing: Sharing
    state: State
    started: Any
    exit: int | None
    invocations: int
    restarts: int = 0

    @property
    def live(self) -> bool:
        """Whether it still has a process."""
        return self.state in LIVE_STATES


class InstanceList(Message):
    instances: list[Instance]


class Stats(Message):
    """Memory of one instance in bytes, from smaps_rollup and status; `exits` only under KVM.

    `private` holds the pool's pages that only this instance has touched so far; `own` is what no other can share: its anonymous memory.
    """

    pss: int
    rss: int
    private: int
    shared: int
    own: int = 0
    page_tables: int = 0
    invocations: int
    exits: int | None = None


class ModuleBase(Message):
    """Where a module of an instance lies; `file` is its ELF file, linked at 0, where that is still there."""

    module: str
    base: str
    file: str | None


class Bases(Message):
    """Where an instance lies. A fixed image is one module at 0x0 and not `random`; `seed` draws the same bases again."""

    random: bool
    seed: int | None
    hypercall: str
    modules: list[ModuleBase]


class CrashEvidence(Message):
    """What a crash left: numbers only. `fleet.crash.explain` makes a report of it."""

    record: dict[str, Any]


class Crash(Message):
    report: str
    record: dict[str, Any]


class Steps(Message):
    """Steps of starts and wakes, each with nanoseconds of CLOCK_MONOTONIC when it was last reached, in order of time."""

    steps: list[tuple[str, int]]


class Stopped(Message):
    stopped: list[str]
