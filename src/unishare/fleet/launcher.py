"""Starts `unishare-monitor launch` and connects to it.

A home has at most one *resident* launcher: a daemon that outlives the command which started it (`run --detach`) and that later
commands find again by its socket. A *private* launcher belongs to one command (benchmarks, `invoke IMAGE`) and dies with it.
Called by the CLI, the benchmarks and the demo.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from filelock import FileLock, Timeout

from unishare.errors import HostLacksError, NotFoundError, UnishareError
from unishare.fleet.control import Control
from unishare.monitor_program import monitor_program
from unishare.settings import Settings

SOCKET = "launcher.sock"
LOG = "launcher.log"
HELLO_LIMIT_S = 10.0
START_LIMIT_S = 20.0
STOP_LIMIT_S = 20.0


async def resident(settings: Settings) -> Control:
    """Connect to the home's resident launcher, starting it when there is none."""
    settings.run.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with FileLock(settings.run / "launcher.lock", timeout=START_LIMIT_S):
            running = await _connect_running(settings)
            if running is not None:
                return running
            # Left by a launcher that was killed. Only who holds the lock may say so: one that is just starting refuses too.
            (settings.run / SOCKET).unlink(missing_ok=True)
            process = _spawn(settings, settings.run, SOCKET, detached=True)
            return await _connect_new(process, settings.run, SOCKET)
    except Timeout as error:
        raise UnishareError(
            f"another command has held {settings.run / 'launcher.lock'} for {START_LIMIT_S:.0f} s", "wait for it, or end it"
        ) from error


async def running(settings: Settings) -> Control:
    """Connect to the resident launcher, or say that nothing runs."""
    control = await _connect_running(settings)
    if control is not None:
        return control
    if was_killed(settings):
        raise NotFoundError(
            f"the launcher of this home was killed, and its instances ended with it (its socket {settings.run / SOCKET} is still there)",
            f"start new ones with 'unishare run --detach IMAGE'; {settings.run / LOG} may say why",
        )
    raise NotFoundError("no instance is running in this home", "start one with 'unishare run --detach IMAGE'")


def was_killed(settings: Settings) -> bool:
    """Whether a launcher went without taking its socket away. Asked when none answers; one that is just starting looks the same."""
    return (settings.run / SOCKET).exists()


async def running_or_none(settings: Settings) -> Control | None:
    """Connect to the resident launcher if there is one."""
    return await _connect_running(settings)


@contextlib.asynccontextmanager
async def private(settings: Settings, *, stopwatch: bool = False) -> AsyncIterator[tuple[Control, int]]:
    """A launcher of one's own and its pid; all it started is gone when the context ends, however it ends. `stopwatch`: it can tell
    when a start reached each of its steps."""
    settings.run.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(prefix="private-", dir=settings.run) as folder:
        process = _spawn(settings, Path(folder), SOCKET, detached=False, stopwatch=stopwatch)
        try:
            control = await _connect_new(process, Path(folder), SOCKET)
            async with control:
                yield control, process.pid
                with contextlib.suppress(UnishareError, asyncio.TimeoutError):
                    await asyncio.wait_for(control.shutdown(), STOP_LIMIT_S)
                    _wait(process, 2.0)
        finally:
            _end(process)


def _spawn(
    settings: Settings, folder: Path, socket: str, *, detached: bool, stopwatch: bool = False
) -> subprocess.Popen[bytes]:
    """Start a launcher whose socket is `folder/socket`. It is started *in* the folder: a relative name is never too long."""
    from unishare.pool.store import Pool

    Pool.create(settings.pool)
    command = [str(monitor_program()), "launch", "--control", socket, "--pool", str(settings.pool)]
    if not detached:
        command += ["--parent-pid", str(os.getpid())]
    if stopwatch:
        command.append("--stopwatch")
    with (folder / LOG).open("ab") as log:
        # A session of its own: Ctrl-C reaches this command first, which then stops instances in order.
        return subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, close_fds=True
        )


async def _connect_running(settings: Settings) -> Control | None:
    socket = settings.run / SOCKET
    try:
        control = await Control.connect(socket)
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(socket)) from None
    try:
        await asyncio.wait_for(control.hello(), HELLO_LIMIT_S)
    except (UnishareError, TimeoutError) as error:
        await control.close()
        raise HostLacksError(
            f"{socket}: what listens there is no launcher of this version ({error or 'it does not answer'})",
            "end it and remove the socket",
        ) from None
    return control


async def _connect_new(process: subprocess.Popen[bytes], folder: Path, socket: str) -> Control:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            return await Control.connect(folder / socket)
        if process.poll() is not None:
            raise HostLacksError(
                f"the launcher ended with code {process.returncode}: {_tail(folder / LOG)}", "run 'unishare doctor'"
            )
        await asyncio.sleep(0.005)
    _end(process)
    raise HostLacksError(
        f"the launcher did not listen within {START_LIMIT_S:.0f} s: {_tail(folder / LOG)}", "run 'unishare doctor'"
    )


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return " ".join(lines[-5:]) or "(it said nothing)"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a launcher that may already be gone. Its instances die with it (PR_SET_PDEATHSIG)."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(how)
            _wait(process, 5.0)


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=seconds)
