"""TLB flushes of different unikernels under the same work: by the kernel's page merging, and by the instances themselves.

Host level: tracepoint tlb:tlb_flush, by task. Hypervisor level: KVM's counters of remote flushes. KSM has converged once before; then it goes on at
its setting while every instance answers the same number of requests, spread over the same time.
"""

from __future__ import annotations

import asyncio
import time

from unishare.evaluation.run.context import Task
from unishare.evaluation.run.fleet import Fleet, running_fleet
from unishare.evaluation.run.samples import Reading
from unishare.evaluation.scenario import WorkSize
from unishare.host import ksm, tlb_flushes
from unishare.host.kernel_thread import find_thread, thread_ns
from unishare.host.kvm_counters import read_kvm_counters
from unishare.host.page_faults import read_faults

KSM_LIMIT_S = 120.0
KVM = ("remote_tlb_flush", "tlb_flush")


async def measure(task: Task) -> list[Reading]:
    """One fleet at work."""
    assert isinstance(task.size, WorkSize)
    functions = task.functions()
    with task.merging() as merging:
        async with running_fleet(task.settings, task.configuration) as fleet:
            await fleet.grow(functions, task.size.instances, task.counter("start", task.size.instances))
            await fleet.rest()
            if merging is not None:
                merging.use("aggressive")
                await asyncio.to_thread(merging.converge, KSM_LIMIT_S)
                merging.use(task.configuration.ksm)
            return await _traced(task, fleet)


async def _traced(task: Task, fleet: Fleet) -> list[Reading]:
    assert isinstance(task.size, WorkSize)
    merger = find_thread("ksmd") or 0
    pids = frozenset(fleet.pids)
    machines, faults, worked = read_kvm_counters(pids, KVM), read_faults(pids), thread_ns(merger)
    scans = ksm.read_counters().full_scans if task.configuration.sharing == "ksm" else 0
    answers = fleet.answers
    with tlb_flushes.Tracing() as tracing:
        await _work(task, fleet)
    flushes = tracing.flushes
    answered = fleet.answers - answers
    readings = [
        Reading("answers", "", answered),
        Reading("by ksmd", "flushes", flushes.of(frozenset({merger}))),
        *(Reading(f"by instances {kind}", "flushes", flushes.of(pids, kind)) for kind in ("local", "asked", "suffered")),
        Reading("lost", "events", flushes.lost),
        Reading("minor faults", "faults", read_faults(pids).minor - faults.minor),
        Reading("ksmd", "s", (thread_ns(merger) - worked) / 1e9),
    ]
    if task.configuration.sharing == "ksm":
        readings.append(Reading("full scans", "", ksm.read_counters().full_scans - scans))
    after = read_kvm_counters(pids, KVM)
    if task.configuration.tender == "kvm" and machines is not None and after is not None:
        readings += [Reading(f"kvm {name}", "flushes", after[name] - machines[name]) for name in KVM]
    return readings


async def _work(task: Task, fleet: Fleet) -> None:
    """Every instance answers as many requests, evenly over the time."""
    assert isinstance(task.size, WorkSize)
    requests, seconds = task.size.requests, task.size.seconds
    step = task.counter("work", requests)
    began = time.monotonic()
    for number in range(requests):
        async with asyncio.TaskGroup() as group:
            for started, function in fleet.members:
                if function is not None:
                    group.create_task(fleet.ask(started, function, examples=1))
        step(1)
        await asyncio.sleep(max(0.0, began + (number + 1) * seconds / requests - time.monotonic()))
