"""Running the tools of a build (compiler, linker, preparation commands) so that none outlives it.

`Tools.run` is called from many threads; `Tools.stop`, from the one that was interrupted, ends whatever still runs.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from unishare.errors import BuildError, HostLacksError


class Interrupted(BuildError):
    """The build was stopped while a tool ran."""

    exit_code = 130


class Tools:
    """The tool processes of one build."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False
        self.environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC", "SOURCE_DATE_EPOCH": "0"}

    def run(
        self, command: Sequence[str], folder: Path | None = None, extra: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """Run a command to its end; its exit code and everything it printed."""
        process = self._start(command, folder, {**self.environment, **(extra or {})})
        try:
            output, _ = process.communicate()
        except BaseException:
            _kill(process)
            raise
        finally:
            with self._lock:
                self._running.discard(process)
        if self._stopped:
            raise Interrupted("the build was stopped")
        if process.returncode < 0:
            output += f"{Path(command[0]).name} was ended by {_signal_name(-process.returncode)}\n"
        return process.returncode, output

    @cached_property
    def without_network(self) -> list[str]:
        """What is put before a command that must not reach a network: a network namespace of its own, with root's rights or in a user
        namespace (unshare(1)); nothing where the kernel or its administrator allow neither."""
        for prefix in (["unshare", "--net"], ["unshare", "--user", "--map-current-user", "--net"]):
            with contextlib.suppress(HostLacksError):
                if self.run([*prefix, "true"])[0] == 0:
                    return prefix
        return []

    def stop(self) -> None:
        """End every running tool and let none start any more."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            _kill(process)

    def _start(self, command: Sequence[str], folder: Path | None, environment: Mapping[str, str]) -> subprocess.Popen[str]:
        with self._lock:
            if self._stopped:
                raise Interrupted("the build was stopped")
            try:
                process = subprocess.Popen(
                    command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT, encoding="utf-8", errors="replace", process_group=0,
                )  # fmt: skip
            except FileNotFoundError:
                if "/" in command[0]:  # a file of the source, not a program to install
                    raise BuildError(
                        f"there is no {command[0]}, or the program that its first line names",
                        f"It was looked for in {folder or Path.cwd()}.",
                    ) from None
                raise HostLacksError(f"the program {command[0]!r} is not installed", "Run `make setup`.") from None
            except PermissionError:
                raise HostLacksError(f"the program {command[0]!r} cannot be run: permission denied") from None
            self._running.add(process)
            return process


def _signal_name(number: int) -> str:
    """A signal, and what it means for a tool that did its work: a limit of this shell, or the kernel's want of memory."""
    name = next((known.name for known in signal.Signals if known == number), f"signal {number}")
    reasons = {"SIGXFSZ": " (a file would be larger than `ulimit -f` allows)", "SIGKILL": " (was there too little memory?)"}
    return name + reasons.get(name, "")


def _kill(process: subprocess.Popen[str]) -> None:
    """End a tool and what it started: each has a process group of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
