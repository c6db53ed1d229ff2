"""The kernel's page merging (KSM): its parameters, its counters, and waiting until it has nothing more to merge.

Unit: pages, unless a name says otherwise. What the counters count is Documentation/admin-guide/mm/ksm.rst. `Merging` changes the
host's parameters and gives them back however the program that changed them ends: a process of its own (ksm_guard.py) writes them back
when it sees the end of its standard input, which the kernel brings about also after SIGKILL.

What this misses: a guard that is killed too leaves a journal, from which the next one restores; until then KSM runs on.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from unishare.errors import HostLacksError, TimeLimitError, UnishareError

ROOT = Path("/sys/kernel/mm/ksm")
JOURNAL = Path("/run/unishare-ksm.json")
GUARD_ANSWERS_S = 10.0
# Scans with unchanged counters after which KSM is said to have converged, and scans in all: the first computes checksums, only the second
# may merge what kept its checksum (mm/ksm.c, cmp_and_merge_page).
EQUAL_SCANS = 3
SCANS_IN_ALL = 5

Parameters = dict[str, str]

# What the publications call KSM's default: 100 pages, then 20 ms of sleep. The newer kernels' shortcuts are off, so that it is that.
PUBLISHED: Parameters = {
    "pages_to_scan": "100",
    "sleep_millisecs": "20",
    "smart_scan": "0",
    "advisor_mode": "none",
    "use_zero_pages": "0",
}
# KSM at its best, whatever processor time it costs: no page is skipped, zero pages go to the kernel's own.
AGGRESSIVE: Parameters = {
    "pages_to_scan": "10000",
    "sleep_millisecs": "1",
    "smart_scan": "0",
    "advisor_mode": "none",
    "use_zero_pages": "1",
}
SETTINGS: dict[str, Parameters] = {"published": PUBLISHED, "aggressive": AGGRESSIVE}


@dataclass(frozen=True)
class Counters:
    """One reading. `sharing` pages were merged away, into `shared` pages that stay; `zero` into the kernel's zero page; `unshared` are
    alone in their content; `volatile` change too fast. `metadata` is what KSM itself keeps, in bytes: what it saved less its profit."""

    shared: int
    sharing: int
    unshared: int
    volatile: int
    zero: int
    full_scans: int
    profit: int

    @property
    def saved(self) -> int:
        """Page frames that merging freed."""
        return self.sharing + self.zero

    @property
    def metadata(self) -> int:
        """Bytes."""
        return max(0, self.saved * 4096 - self.profit)


def problem(root: Path = ROOT) -> str | None:
    """Why KSM cannot be driven here; None where it can."""
    if not (root / "run").is_file():
        return f"{root} is not there: the kernel is built without CONFIG_KSM"
    try:
        with (root / "run").open("r+"):
            return None
    except OSError as error:
        return f"{root}/run cannot be written ({error.strerror}): KSM's parameters are root's"


def read_counters(root: Path = ROOT) -> Counters:
    """Read all counters; those that an older kernel lacks are 0."""
    return Counters(
        shared=_number(root, "pages_shared"),
        sharing=_number(root, "pages_sharing"),
        unshared=_number(root, "pages_unshared"),
        volatile=_number(root, "pages_volatile"),
        zero=_number(root, "ksm_zero_pages"),
        full_scans=_number(root, "full_scans"),
        profit=_number(root, "general_profit"),
    )


def read_parameters(root: Path = ROOT) -> Parameters:
    """Everything that the controller may change, as it must be written to be so again."""
    found = {"run": (root / "run").read_text().strip()}
    for name in PUBLISHED:
        if (root / name).is_file():
            found[name] = _chosen((root / name).read_text())
    return found


def write_parameters(parameters: Parameters, root: Path = ROOT) -> None:
    """Write them, `run` last; an advisor first, for while one is at work it refuses other values. Unknown ones are left out."""
    order = sorted(parameters, key=lambda name: (name == "run", name != "advisor_mode"))
    for name in order:
        if (root / name).is_file():
            (root / name).write_text(parameters[name])


class Merging:
    """KSM at work with one of SETTINGS, as a context: `with Merging("aggressive") as merging`. None: not at work before `use`."""

    def __init__(self, setting: str | None, root: Path = ROOT, journal: Path = JOURNAL) -> None:
        self._setting = setting
        self._root = root
        self._journal = journal
        self._guard: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        why = problem(self._root)
        if why is not None:
            raise HostLacksError(f"KSM cannot be used: {why}", "run it as root on a kernel with CONFIG_KSM, or leave out ksm")
        command = [sys.executable, "-m", "unishare.host.ksm_guard", str(self._root), str(self._journal)]
        self._guard = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True, cwd="/"
        )
        assert self._guard.stdout is not None
        said = self._guard.stdout.readline().strip()
        if said != "ready":
            self.__exit__(None, None, None)
            raise UnishareError(
                f"KSM cannot be used: {said or 'its guard ended'}", "wait until the other measurement has ended"
            )
        try:
            if self._setting is not None:
                self.use(self._setting)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def use(self, setting: str) -> None:
        """Begin, or go on with another setting."""
        write_parameters({**SETTINGS[setting], "run": "1"}, self._root)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        guard, self._guard = self._guard, None
        if guard is None:
            return
        assert guard.stdin is not None and guard.stdout is not None
        guard.stdin.close()
        guard.wait()
        guard.stdout.close()

    def converge(self, limit_s: float, watch: Callable[[Counters], None] = lambda _: None, pause_s: float = 0.05) -> Counters:
        """Wait until several full scans in a row have merged nothing more. `watch` gets every reading.

        Raises TimeLimitError: a figure of a KSM that was still at work would be unfair to it.
        """
        deadline = time.monotonic() + limit_s
        first = last = read_counters(self._root)
        since = first.full_scans
        while time.monotonic() < deadline:
            time.sleep(pause_s)
            now = read_counters(self._root)
            watch(now)
            if (now.shared, now.sharing, now.zero) != (last.shared, last.sharing, last.zero):
                since = now.full_scans
            last = now
            if now.full_scans - since > EQUAL_SCANS and now.full_scans - first.full_scans >= SCANS_IN_ALL:
                return now
        raise TimeLimitError(
            f"KSM has not converged within {limit_s:.0f} s ({last.full_scans - first.full_scans} full scans)",
            "something on this machine still writes to mergeable memory, or the limit is too short for so much memory",
        )


def _number(root: Path, name: str) -> int:
    try:
        return int((root / name).read_text())
    except FileNotFoundError:
        return 0


def _chosen(text: str) -> str:
    """`[none] scan-time` -> `none`; a plain value as it is."""
    words = text.split()
    return next((word[1:-1] for word in words if word.startswith("[")), words[0])
