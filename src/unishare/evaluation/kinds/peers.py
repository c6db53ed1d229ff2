"""Peers: the same small function in what people would use instead, idle after one answer; and here, under both tenders, in the same run.

Memory: the fall of what the host has available, plus file pages that the instances have mapped (Pss_File; the pool's for ours): clean file pages
count as available though they are needed. Start: from the start of a process, or the request to the launcher, to the first answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from unishare.errors import UnishareError
from unishare.evaluation.peers.programs import PEERS, Peer
from unishare.evaluation.population.images import catalogue_functions
from unishare.evaluation.run.context import Task
from unishare.evaluation.run.fleet import running_fleet
from unishare.evaluation.run.memory_readings import Before, ImpossibleReading, PoolPages, refuse_impossible
from unishare.evaluation.run.product import lacks
from unishare.evaluation.run.samples import Reading
from unishare.evaluation.scenario import Configuration, PeersScenario
from unishare.host.doctor import kvm_problem
from unishare.host.memory import kilobyte_fields, read_processes, settle

REQUEST, ANSWER = b"world\n", b"hello, world\n"
WARM = 2
ATTEMPTS = 3


async def measure(task: Task) -> list[Reading]:
    """All peers, then ours."""
    assert isinstance(task.scenario, PeersScenario)
    readings = []
    for name in task.scenario.peers:
        task.progress(f"peers: {name}", 0, task.size.instances)
        why = PEERS[name].missing()
        if why is None:
            found, why = await asyncio.to_thread(_possible, PEERS[name], task.size.instances)
            readings += found
        if why is not None:
            readings.append(Reading(f"skipped: {why}", "", 1, subject=name))
    for configuration in task.scenario.configuration:
        why = lacks(configuration) or (kvm_problem() if configuration.tender == "kvm" else None)
        if why is None:
            readings += await _possible_ours(task, configuration)
        else:
            readings.append(Reading(f"skipped: {why}", "", 1, subject=configuration.title))
    return readings


async def _possible_ours(task: Task, configuration: Configuration) -> list[Reading]:
    """As for a peer, but ours must be there: the last failure is the part's."""
    for _ in range(ATTEMPTS - 1):
        with contextlib.suppress(ImpossibleReading):
            return await _ours(task, configuration)
    return await _ours(task, configuration)


def _possible(peer: Peer, count: int) -> tuple[list[Reading], str | None]:
    """One peer's readings, taken again where they cannot be true: one of them must not repeat all; or why there are none."""
    for _ in range(ATTEMPTS):
        try:
            return _peer(peer, count), None
        except ImpossibleReading as error:
            why = error.message
        except UnishareError as error:
            return [], error.message
    return [], why


def _peer(peer: Peer, count: int) -> list[Reading]:
    with (
        tempfile.TemporaryDirectory(prefix="unishare-peers-") as folder,
        _instances(Path(folder), peer, count) as (before, taken),
    ):
        pids = _descendants(os.getpid()) | _of_program(Path(folder) / "root" / "server")
        total = before.fall(settle())
        files = sum(_file_pages(pid) for pid in pids)
        # Those that warmed caches are among them.
        pss = read_processes(pids).pss * count / (count + WARM)
        refuse_impossible(total + files, pss, count)
        return _readings(peer.name, total + files, pss, count, taken)


def _file_pages(pid: int) -> int:
    """Its share of the file pages that it has mapped; 0 for one that has ended, as what started a container."""
    try:
        return kilobyte_fields(Path(f"/proc/{pid}/smaps_rollup")).get("Pss_File", 0)
    except (FileNotFoundError, ProcessLookupError):
        return 0


@contextlib.contextmanager
def _instances(folder: Path, peer: Peer, count: int) -> Iterator[tuple[Before, list[float]]]:
    """Running instances that have answered, what was before them, and milliseconds of each start."""
    peer.prepare(folder)
    running: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(WARM):  # caches are filled, and these do not count
            running.append(_start(peer, folder, len(running)))
        before = Before.read()
        taken = []
        for _ in range(count):
            began = time.perf_counter()
            running.append(_start(peer, folder, len(running)))
            taken.append((time.perf_counter() - began) * 1000)
        yield before, taken
    finally:
        for number, process in enumerate(running):
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
            peer.clean(folder, number)
            if process.poll() is None:
                process.kill()
            process.wait()


def _start(peer: Peer, folder: Path, number: int) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        peer.command(folder, number),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        cwd=folder,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(REQUEST)
        answer = b""
        while len(answer) < len(ANSWER) and (more := process.stdout.read(len(ANSWER) - len(answer))):
            answer += more
    except OSError as error:
        answer = str(error).encode()
    if answer != ANSWER:
        process.kill()
        process.wait()
        raise UnishareError(f"{peer.name}: answered {answer[:80]!r}, not {ANSWER!r}")
    return process


def _descendants(pid: int) -> set[int]:
    """All processes that came of one, threads of ours and launchers of other parts left out: there are none while peers run."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            for child in (task / "children").read_text().split():
                found |= {int(child)} | _descendants(int(child))
    return found


def _of_program(program: Path) -> set[int]:
    """Processes that run a program: those in containers are nobody's children."""
    found = set()
    wanted = program.stat() if program.is_file() else None
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and wanted is not None:
            with contextlib.suppress(OSError):
                if os.path.samestat((process / "exe").stat(), wanted):
                    found.add(int(process.name))
    return found


async def _ours(task: Task, configuration: Configuration) -> list[Reading]:
    functions = catalogue_functions(task.settings, task.scenario.apps, configuration.layout)
    pool = PoolPages(task.settings, functions, configuration)
    async with running_fleet(task.settings, configuration) as fleet:
        await fleet.grow(functions, 2)
        before = Before.read()
        taken = []
        for _ in range(task.size.instances):
            began = time.perf_counter()
            await fleet.grow(functions, 1)
            taken.append((time.perf_counter() - began) * 1000)
        await fleet.rest()
        total = before.fall(settle()) + pool.in_use()
        pss = read_processes(fleet.pids).pss
        refuse_impossible(total, pss * task.size.instances / len(fleet.members), task.size.instances)
        return _readings(configuration.title, total, pss, task.size.instances, taken)


def _readings(subject: str, total: float, pss: float, count: int, taken: list[float]) -> list[Reading]:
    return [
        Reading("memory each", "bytes", total / count, subject=subject),
        Reading("pss each", "bytes", pss / count, subject=subject),
        *(Reading("first answer", "ms", time_ms, subject=subject) for time_ms in taken),
    ]
