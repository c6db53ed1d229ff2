"""KSM's controller: parameters come back however a program ends; known pages give known counters.

The kernel's KSM is one for the whole machine. These tests use a folder that looks like its sysfs, and only the last ones, as root and where
nothing is mergeable, the real one.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from unishare.errors import HostLacksError, UnishareError
from unishare.host import ksm
from unishare.host.frame_sharers import read_sharers

BEFORE = {"run": "0", "pages_to_scan": "77", "sleep_millisecs": "33", "smart_scan": "1", "use_zero_pages": "0"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "ksm"
    folder.mkdir()
    for name, value in BEFORE.items():
        (folder / name).write_text(value + "\n")
    (folder / "advisor_mode").write_text("[none] scan-time\n")
    for name in ("pages_shared", "pages_sharing", "pages_unshared", "pages_volatile", "full_scans", "general_profit"):
        (folder / name).write_text("0\n")
    return folder


def values(root: Path) -> dict[str, str]:
    return {name: (root / name).read_text().strip() for name in BEFORE}


def test_parameters_are_set_and_given_back(root: Path, tmp_path: Path) -> None:
    with ksm.Merging("aggressive", root, tmp_path / "journal") as merging:
        assert values(root) == {**{name: ksm.AGGRESSIVE[name] for name in BEFORE if name != "run"}, "run": "1"}
        merging.use("published")
        assert values(root)["pages_to_scan"] == "100"
    assert values(root) == BEFORE
    assert (tmp_path / "journal").read_text() == ""


def test_a_guard_alone_changes_nothing(root: Path, tmp_path: Path) -> None:
    with ksm.Merging(None, root, tmp_path / "journal") as merging:
        assert values(root) == BEFORE
        merging.use("published")
        assert values(root)["run"] == "1"
    assert values(root) == BEFORE


def test_a_killed_program_leaves_them_as_they_were(root: Path, tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from unishare.host.ksm import Merging\n"
        "with Merging('published', Path(sys.argv[1]), Path(sys.argv[2])): print('on', flush=True); time.sleep(60)"
    )
    for how in (signal.SIGKILL, signal.SIGINT):
        program = subprocess.Popen(
            [sys.executable, "-c", code, str(root), str(tmp_path / "journal")],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert program.stdout is not None and program.stdout.readline() == b"on\n"
        assert values(root)["run"] == "1"
        program.send_signal(how)
        program.wait()
        deadline = time.monotonic() + 10
        while values(root) != BEFORE and time.monotonic() < deadline:
            time.sleep(0.01)
        assert values(root) == BEFORE, how


def test_a_journal_that_was_left_is_restored_first(root: Path, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    journal.write_text(json.dumps({"run": "0", "pages_to_scan": "555"}))
    with ksm.Merging("published", root, journal):
        assert json.loads(journal.read_text())["pages_to_scan"] == "555"
    assert values(root)["pages_to_scan"] == "555"


def test_two_measurements_at_once_are_refused(root: Path, tmp_path: Path) -> None:
    with (
        ksm.Merging("published", root, tmp_path / "journal"),
        pytest.raises(UnishareError, match="another measurement"),
        ksm.Merging("published", root, tmp_path / "journal"),
    ):
        pass
    assert values(root) == BEFORE


def test_a_kernel_without_ksm_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(HostLacksError, match="CONFIG_KSM"),
        ksm.Merging("published", tmp_path / "nothing", tmp_path / "journal"),
    ):
        pass


def test_metadata_is_what_the_profit_lacks() -> None:
    counters = ksm.Counters(shared=1, sharing=9, unshared=5, volatile=0, zero=1, full_scans=3, profit=10 * 4096 - 16 * 64)
    assert (counters.saved, counters.metadata) == (10, 1024)


needs_ksm = pytest.mark.skipif(ksm.problem() is not None, reason=f"needs KSM: {ksm.problem()}")

MERGEABLE = """
import ctypes, mmap, sys
libc = ctypes.CDLL(None)
memory = mmap.mmap(-1, 64 * 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for page in range(64):
    # 20 equal pages, 12 of zeros that were written, 32 that nobody else has.
    content = b'e' * 4096 if page < 20 else bytes(4096) if page < 32 else bytes([page]) * 4000 + b'%096d' % page
    memory[page * 4096:(page + 1) * 4096] = content
assert libc.madvise(ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(memory))), 64 * 4096, 12) == 0  # MADV_MERGEABLE
print('mapped', flush=True)
sys.stdin.read()
"""


def scanned_processes() -> set[int]:
    """Those of which KSM has looked at pages."""
    found = set()
    for file in Path("/proc").glob("[0-9]*/ksm_stat"):
        with contextlib.suppress(OSError):
            facts = dict(line.split() for line in file.read_text().splitlines())
            if int(facts.get("ksm_rmap_items", 0)):
                found.add(int(file.parent.name))
    return found


@needs_ksm
def test_known_pages_are_counted_exactly() -> None:
    before = ksm.read_counters()
    if before.saved or (ksm.ROOT / "run").read_text().strip() != "0":
        pytest.skip("KSM is at work on this machine: its counters are not this test's alone")
    program = subprocess.Popen([sys.executable, "-c", MERGEABLE], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert program.stdout is not None and program.stdout.readline() == b"mapped\n"
        with ksm.Merging("aggressive") as merging:
            counters = merging.converge(60)
            sharers, scanned = read_sharers([program.pid]), scanned_processes()
    finally:
        program.kill()
        program.communicate()
    if scanned - {program.pid}:
        pytest.skip("other processes of this machine have mergeable memory: the counters are not this test's alone")
    assert (counters.shared, counters.sharing, counters.zero, counters.unshared) == (1, 19, 12, 32)
    # Seen from outside: one frame that KSM made, mapped 20 times; the pages of zeros are the kernel's own.
    assert sharers.merged == 1 and sharers.zero >= 12
    assert (ksm.ROOT / "run").read_text().strip() == "0" and ksm.read_counters().saved == 0
