"""`bench javascript`: one idle function in JavaScript, on this project's engine, on MuJS, and in a Node process where there is one.

On this project's engine twice: from the image's entry, where the engine starts first, and from a snapshot.

In one run, in turns: some instances of each are started, asked once and left idle, and their private memory is read (smaps_rollup: the
pages that end with the process); and a whole process is started for one request, from exec to the first byte of its answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from unishare.errors import TimeLimitError, UnishareError
from unishare.evaluation.bench.measured_fleet import MeasuredFleet
from unishare.evaluation.bench.report import BenchReport, Row, environment, ratio
from unishare.evaluation.bench.start import one_start, request_file
from unishare.evaluation.bench.workload import Function
from unishare.evaluation.run.preparation import take_snapshots
from unishare.fleet import launcher
from unishare.fleet.messages import Tender
from unishare.host.memory import read_processes
from unishare.settings import Settings

# The app on this project's engine, and the same work on an engine of ES5 embedded in C.
APPS = ("javascript", "mujs")
SNAPSHOT = "javascript from a snapshot"
NODE = "node"
INSTANCES = 20
LIMIT_S = 60.0
# Several times what an instance waits until it gives memory back.
QUIET_S = 1.0
# The same work as the apps': a line is a request.
NODE_PROGRAM = """
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
    const { items } = JSON.parse(line);
    const total = items.reduce((sum, { price, count }) => sum + price * count, 0);
    process.stdout.write(JSON.stringify({ items: items.length, total }) + "\\n");
});
"""
Progress = Callable[[str, int, int], None]


async def bench_javascript(
    settings: Settings, functions: Sequence[Function], tender: Tender, layout: str, rounds: int, progress: Progress
) -> BenchReport:
    """Measure `rounds` times. Node is left out where it is not installed."""
    take_snapshots(settings, functions[:1], layout, progress)
    begun = {function.name: (function, False) for function in functions}
    begun[SNAPSHOT] = (functions[0], True)
    names = [*begun, *([NODE] if shutil.which(NODE) else [])]
    private: dict[str, list[float]] = {name: [] for name in names}
    starts: dict[str, list[float]] = {name: [] for name in names}
    with TemporaryDirectory(prefix="unishare-bench-") as folder:
        requests = {function.name: request_file(Path(folder), function) for function in functions}
        for number in range(rounds + 1):  # the first round warms the page cache and is thrown away
            for name, (function, from_snapshot) in begun.items():
                memory = await _idle_instances(settings, function, tender, from_snapshot)
                configuration = "snapshot" if from_snapshot else "pool"
                taken = one_start(settings, function, tender, configuration, requests[function.name])
                if number:
                    private[name].append(memory)
                    starts[name].append(taken)
            if NODE in names:
                memory, taken = (
                    _idle_nodes(functions[0].expectations[0].request),
                    _start_node(functions[0].expectations[0].request),
                )
                if number:
                    private[NODE].append(memory)
                    starts[NODE].append(taken)
            progress("javascript", number, rounds)
    rows = [Row.of(f"{name}: private memory of one idle", values, "bytes") for name, values in private.items()]
    rows += [Row.of(f"{name}: start to first answer", values, "ms") for name, values in starts.items()]
    first = names[0]
    ratios = {f"private memory {first}/{name}": ratio(private, first, name) for name in names[1:]}
    ratios |= {f"start {first}/{name}": ratio(starts, first, name) for name in names[1:]}
    facts = environment(tender=tender, layout=layout, rounds=rounds, instances=INSTANCES, functions=names)
    return BenchReport(bench="javascript", environment=facts, rows=rows, ratios=ratios)


async def _idle_instances(settings: Settings, function: Function, tender: Tender, from_snapshot: bool) -> float:
    """Private bytes of one of some idle instances that have answered."""
    async with launcher.private(settings) as (control, _):
        fleet = MeasuredFleet(control, tender, "pool", from_snapshot)
        await fleet.start_mixed([function], INSTANCES, lambda _: None)
        await fleet.ask_all(lambda _: None)
        await asyncio.sleep(QUIET_S)
        return read_processes(fleet.pids).private / INSTANCES


def _idle_nodes(request: bytes) -> float:
    """Private bytes of one of three idle Node processes that have answered: what they share, they share among each other too."""
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(_node()) for _ in range(3)]
        for process in processes:
            _ask(process, request)
        return read_processes([process.pid for process in processes]).private / len(processes)


def _start_node(request: bytes) -> float:
    """Milliseconds from Node's exec to the first byte of the answer."""
    started = time.perf_counter()
    with _node() as process:
        _ask(process, request)
        return (time.perf_counter() - started) * 1000


@contextlib.contextmanager
def _node() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([NODE, "-e", NODE_PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _ask(process: subprocess.Popen[bytes], request: bytes) -> None:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(request.replace(b"\n", b" ") + b"\n")
    process.stdin.flush()
    if not select.select([process.stdout], [], [], LIMIT_S)[0]:
        raise TimeLimitError(f"{NODE} gave no answer within {LIMIT_S:.0f} s")
    if not os.read(process.stdout.fileno(), 1 << 16):
        raise UnishareError(f"{NODE} ended without an answer")
