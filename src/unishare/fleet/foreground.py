"""The command line of one instance in the foreground: `unishare-monitor run` (docs/formats/control.md)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from unishare.fleet.messages import StartRequest
from unishare.monitor_program import monitor_program
from unishare.pool.store import Pool
from unishare.settings import Settings

# What an image may take that looks at files during a build.
ASK_LIMIT_MS = 120_000


def foreground_command(settings: Settings, request: StartRequest, *, invoke: str | None = None) -> list[str]:
    """The argument vector that runs `request` once; with `invoke`, sends it the request in that file (`-`: stdin)."""
    command = [str(monitor_program()), "run", "--empty" if request.empty else str(request.manifest)]
    command += ["--pool", str(settings.pool), "--tender", request.tender, "--sharing", request.sharing]
    for snapshot in request.snapshots or []:
        command += ["--snapshot", snapshot]
    if request.reset:
        command.append("--reset")
    if request.memory is not None:
        command += ["--memory", str(request.memory)]
    if request.seed is not None:
        command += ["--seed", str(request.seed)]
    if request.gaps is not None:
        command += ["--gaps", str(request.gaps)]
    if request.cpu_limit_s is not None:
        command += ["--cpu-limit-s", str(request.cpu_limit_s)]
    if request.log_limit is not None:
        command += ["--console-limit", str(request.log_limit)]
    if request.time_limit_ms is not None:
        command += ["--time-limit-ms", str(request.time_limit_ms)]
    for name, value in (request.env or {}).items():
        command += ["--env", f"{name}={value}"]
    if invoke is not None:
        command += ["--invoke", invoke]
    if request.argv:
        command += ["--", *request.argv]
    return command


def asking(settings: Settings, pool: Pool) -> Callable[[Path, bytes], tuple[int, bytes]]:
    """A function that runs an image folder once with one request, in the process tender; its status, and its answer or, where
    there is none, what the monitor said."""

    def ask(folder: Path, request: bytes) -> tuple[int, bytes]:
        wanted = StartRequest(manifest=str(pool.ensure_image(folder)), tender="process", time_limit_ms=ASK_LIMIT_MS)
        done = subprocess.run(foreground_command(settings, wanted, invoke="-"), input=request, capture_output=True, check=False)
        return done.returncode, done.stdout or done.stderr

    return ask
