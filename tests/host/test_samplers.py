"""Every sampler is shown a situation that is known, and says it exactly."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from unishare.host import common_views, kernel_memory, kernel_thread, kvm_counters, page_faults, tlb_flushes
from unishare.host.frame_sharers import read_sharers
from unishare.host.frames import frames_visible
from unishare.host.memory import pool_in_use, read_processes, resident_bytes
from unishare.host.page_contents import Contents

PAGE = 4096
SOURCE = Path(__file__).with_name("known_pages.c")
needs_frames = pytest.mark.skipif(not frames_visible(), reason="page frames are told to root only")

Known = Callable[[], "Pages"]


class Pages:
    """One process of known_pages.c."""

    def __init__(self, program: Path, file: Path) -> None:
        self.process = subprocess.Popen([str(program), str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.pid = self.process.pid
        assert self.process.stdout is not None and self.process.stdout.read(1) == b"r"
        # Once through all code, so that later steps touch nothing but what they say.
        self.step("-")

    def step(self, which: str) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(which.encode())
        assert self.process.stdout.read(1) == which.encode()


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Known]:
    program, file = tmp_path / "pages", tmp_path / "shared"
    subprocess.run(["gcc", "-static", "-O1", "-o", str(program), str(SOURCE)], check=True)
    file.write_bytes(os.urandom(32 * PAGE))
    started: list[Pages] = []

    def start() -> Pages:
        started.append(Pages(program, file))
        return started[-1]

    yield start
    for pages in started:
        pages.process.kill()
        pages.process.communicate()


@needs_frames
def test_frames_by_sharers(known: Known) -> None:
    processes = [known() for _ in range(3)]
    pids = [one.pid for one in processes]
    before = read_sharers(pids)
    for one in processes:
        one.step("p")
        one.step("z")
    processes[0].step("s")
    processes[1].step("s")
    after = read_sharers(pids)
    assert after.private - before.private == 3 * 40
    assert after.frames.get(2, 0) - before.frames.get(2, 0) == 32
    assert after.zero - before.zero == 3 * 24
    assert after.mapped - before.mapped == 3 * 40 + 2 * 32
    assert after.merged == 0


@needs_frames
def test_pages_by_content(known: Known) -> None:
    processes = [known() for _ in range(2)]
    before, after = Contents(), Contents()
    for one in processes:
        before.add(one.pid)
    for one in processes:
        one.step("p")
        one.step("s")
    for one in processes:
        after.add(one.pid)
    # 40 pages in each that begin with a one and hold nothing else, and 32 of a file, all different.
    assert after.shareable - before.shareable == 2 * 40 + 2 * 32
    assert after.distinct - before.distinct == 1 + 32
    assert after.unshared == before.unshared and after.zero == before.zero


def test_pss_private_and_faults(known: Known) -> None:
    first, second = known(), known()
    pids = [first.pid, second.pid]
    before, faults = read_processes(pids), page_faults.read_faults(pids)
    first.step("p")
    for one in (first, second):
        one.step("s")
    after = read_processes(pids)
    assert after.private - before.private == 40 * PAGE
    # Each shared page is divided among the two.
    assert after.pss - before.pss == (40 + 32) * PAGE
    assert after.rss - before.rss == (40 + 2 * 32) * PAGE
    # One fault for each page that was written; pages of a file come up to 16 a fault (fault_around_bytes).
    assert 40 + 2 * 2 <= page_faults.read_faults(pids).minor - faults.minor <= 40 + 2 * 32


def test_resident_pages_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(bytes(7 * PAGE + 1))
    assert resident_bytes(file) == 8 * PAGE


def test_pages_of_a_pool_that_nobody_maps_are_not_in_use(tmp_path: Path) -> None:
    runs = {name: tmp_path / "runs" / name[:2] / name for name in ("aa", "bb")}
    for file in runs.values():
        file.parent.mkdir(parents=True)
        with file.open("wb") as stream:
            stream.write(os.urandom(5 * PAGE))
            stream.flush()
            os.fsync(stream.fileno())
    assert sum(map(resident_bytes, runs.values())) == 10 * PAGE
    with runs["aa"].open("rb") as stream, mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        assert mapped[3 * PAGE : 3 * PAGE + 1]
        if pool_in_use(tmp_path, ["bb"]):
            pytest.skip("files of this file system are nowhere but in memory")
        # Large folios are dropped as a whole or not at all, so it may be more than the one page.
        assert PAGE <= pool_in_use(tmp_path, runs) <= 5 * PAGE
    assert pool_in_use(tmp_path, runs) == 0


def test_kernel_kinds(tmp_path: Path) -> None:
    text = "Slab:  100 kB\nPageTables: 20 kB\nSecPageTables: 4 kB\nKernelStack: 16 kB\nPercpu: 8 kB\nVmallocUsed: 2 kB\n"
    (tmp_path / "meminfo").write_text(text)
    found = kernel_memory.read_kernel_memory(tmp_path / "meminfo")
    assert found == kernel_memory.KernelMemory(100 << 10, 20 << 10, 4 << 10, 16 << 10, 8 << 10, 2 << 10)
    assert (found - found).slab == 0


def test_common_views(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 600 kB\n")
    assert common_views.used(tmp_path / "meminfo") == 400 << 10
    assert common_views.resident_set(os.getpid()) > 1 << 20


def test_a_kernel_thread_is_found_by_its_name() -> None:
    assert kernel_thread.find_thread("kthreadd") is None  # its parent is 0: it is no child of itself
    assert kernel_thread.find_thread("no such thread") is None
    pid = kernel_thread.find_thread("ksmd")
    if pid is not None:
        assert kernel_thread.thread_ns(pid) >= 0


def test_a_threads_time_is_what_its_own_clock_says() -> None:
    while time.thread_time_ns() < 100_000_000:
        pass
    before = time.thread_time_ns()
    found = kernel_thread.thread_ns(os.getpid())
    # The kernel adds it up at the latest at a tick.
    assert before - 20_000_000 <= found <= time.thread_time_ns() + 20_000_000


def test_tlb_lines_are_counted_by_task_and_kind() -> None:
    flushes = tlb_flushes.Flushes()
    for line in (
        b"            ksmd-37      [001] .....   123.456789: tlb_flush: pages:1 reason:remote ipi send (4)",
        b"            ksmd-37      [001] .....   123.456790: tlb_flush: pages:1 reason:local mm shootdown (3)",
        b"          <idle>-0       [000] d.h1.   123.456791: tlb_flush: pages:1 reason:remote shootdown (1)",
        b"     a name-with-4242    [000] d.h1.   123.456792: tlb_flush: pages:-1 reason:local shootdown (2)",
        b"CPU:1 [LOST 17 EVENTS]",
        b"",
    ):
        tlb_flushes.count_line(line, flushes)
    assert flushes.of(frozenset({37})) == 2 and flushes.of(frozenset({37}), "asked") == 1
    assert flushes.of(frozenset({0}), "suffered") == 1 and flushes.of(frozenset({4242})) == 1
    assert flushes.lost == 17


@pytest.mark.skipif(os.geteuid() != 0, reason="gives up root's rights for a moment")
def test_a_tracefs_that_is_roots_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "tracing"
    (folder / tlb_flushes.EVENT).mkdir(parents=True)
    (folder / "instances").mkdir()
    assert tlb_flushes.problem(folder) is None
    folder.chmod(0o700)
    code = (
        "import os, sys; from pathlib import Path; from unishare.host import tlb_flushes; os.setuid(65534)\n"
        "print(tlb_flushes.problem(Path(sys.argv[1])))"
    )
    told = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True).stdout
    assert told.strip() == f"{folder} is root's"


FLUSHING = """
import mmap, sys
sys.stdin.readline()
for _ in range(200):
    memory = mmap.mmap(-1, 4096); memory[0] = 1; memory.close()
print('done', flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(tlb_flushes.problem() is not None, reason=f"needs tracefs: {tlb_flushes.problem()}")
def test_each_unmapping_is_one_flush() -> None:
    program = subprocess.Popen([sys.executable, "-c", FLUSHING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert program.stdin is not None and program.stdout is not None
    try:
        with tlb_flushes.Tracing() as tracing:
            program.stdin.write("\n")
            program.stdin.flush()
            assert program.stdout.readline() == "done\n"
        assert tracing.flushes.lost == 0
        # Python unmaps a little of its own.
        assert 200 <= tracing.flushes.of(frozenset({program.pid}), "local") <= 220
    finally:
        program.kill()
        program.communicate()


def test_kvm_counters_of_these_machines_only(tmp_path: Path) -> None:
    for name, value in (("12-7", 3), ("12-9", 4), ("123-7", 100)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "remote_tlb_flush").write_text(f"{value}\n")
    assert kvm_counters.read_kvm_counters([12], ("remote_tlb_flush",), tmp_path) == {"remote_tlb_flush": 7}
    assert kvm_counters.read_kvm_counters([12], ("remote_tlb_flush",), tmp_path / "nothing") is None
