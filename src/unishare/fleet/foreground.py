"""The command line of one instance in the foreground: `unishare-monitor run` (docs/formats/control.md)."""

from __future__ import annotations

from unishare.fleet.messages import StartRequest
from unishare.monitor_program import monitor_program
from unishare.settings import Settings


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
    if request.time_limit_ms is not None:
        command += ["--time-limit-ms", str(request.time_limit_ms)]
    for name, value in (request.env or {}).items():
        command += ["--env", f"{name}={value}"]
    if invoke is not None:
        command += ["--invoke", invoke]
    if request.argv:
        command += ["--", *request.argv]
    return command
