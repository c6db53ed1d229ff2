"""`unishare run`: start instances, in the foreground or under the home's resident launcher."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import cast

import click

from unishare.cli.names import image_argument
from unishare.cli.options import (
    Assignment,
    choose_tender,
    cpu_limit_option,
    fresh_option,
    gaps_option,
    image_or_own,
    log_limit_option,
    memory_option,
    milliseconds,
    refuse_useless_seed,
    seed_option,
    sharing_option,
    tender_option,
    time_limit_option,
    warn_of_seed,
    with_snapshots,
)
from unishare.cli.session import Session, json_option, note, pass_session, print_json
from unishare.errors import TimeLimitError, UnishareError
from unishare.fleet.messages import Instance, Sharing, Started, StartedInstance, StartRequest


@click.command()
@image_argument("image", metavar="[IMAGE]", required=False)
@click.argument("argv", nargs=-1, metavar="[-- ARGS...]")
@click.option("-n", "--count", type=click.IntRange(1, 100_000), default=1, show_default=True, help="How many instances.")
@tender_option
@sharing_option
@memory_option
@time_limit_option
@cpu_limit_option
@log_limit_option
@seed_option
@gaps_option
@fresh_option
@click.option("--env", "environment", type=Assignment(), multiple=True, metavar="K=V", help="Set a variable; may be repeated.")
@click.option(
    "--reset", is_flag=True, help='Insist that it returns to its snapshot after each answer (state = "none" in app.toml).'
)
@click.option(
    "--quiet-ms",
    type=click.IntRange(0, 1 << 31),
    metavar="MS",
    help="Wait so long for a request until memory goes back to the host; 0: never. Default: 100. With --detach or -n.",
)
@click.option(
    "--park-ms", type=click.IntRange(0, 1 << 31), metavar="MS",
    help="Under KVM, wait so long after that until the virtual machine is given back; 0: never. Default: 10000.",
)  # fmt: skip
@click.option(
    "--restart", is_flag=True,
    help="With --detach: start an instance that crashed, failed or met a time limit again for the next request. 'ps' counts it.",
)  # fmt: skip
@click.option("-d", "--detach", is_flag=True, help="Leave them running and print their names.")
@json_option
@pass_session
def run(
    session: Session,
    image: str | None,
    argv: tuple[str, ...],
    count: int,
    tender: str | None,
    sharing: str,
    memory: int | None,
    time_limit: float | None,
    cpu_limit: int | None,
    log_limit: int | None,
    seed: int | None,
    gaps: int | None,
    fresh: bool,
    environment: tuple[tuple[str, str], ...],
    reset: bool,
    quiet_ms: int | None,
    park_ms: int | None,
    restart: bool,
    detach: bool,
    as_json: bool,
) -> None:
    """Start instances of IMAGE: an app's name, LAYOUT:APP, an image folder or a manifest; in a project folder by default its own.

    One instance in the foreground has its console on stdout and its exit code is the command's. Several, or with --detach, are
    held by a launcher; `invoke`, `ps`, `logs` and `stop` find detached ones.

    \b
    Examples:
      unishare run hello
      unishare run gzip -n 500 --detach
      unishare run default:lua --sharing copy --memory 64M -- lua verbose
      unishare run aslr:gzip --seed 7 --detach      debugging: the same addresses again
    """
    from unishare.fleet.references import resolve

    if restart and not detach:
        raise click.UsageError("--restart is for instances that others ask: add --detach")
    found = resolve(image_or_own(image), session.settings)
    refuse_useless_seed(found, seed)
    request = StartRequest(
        manifest=str(found.manifest),
        tender=choose_tender(tender),
        sharing=cast(Sharing, sharing),
        count=count,
        memory=memory,
        seed=seed,
        gaps=gaps,
        argv=list(argv) or None,
        env=dict(environment) or None,
        time_limit_ms=milliseconds(time_limit),
        cpu_limit_s=cpu_limit,
        log_limit=log_limit,
        quiet_ms=quiet_ms,
        park_ms=park_ms,
        name=found.name,
        restart=restart,
    )
    request = with_snapshots(request, fresh).model_copy(update={"reset": reset})
    if detach or count > 1:
        warn_of_seed(seed)
    if detach:
        sys.exit(_tell_started(*asyncio.run(_start_detached(session, request)), as_json))
    elif count == 1:
        _exec_monitor(session, request)
    else:
        sys.exit(asyncio.run(_hold(session, request)))


async def _start_detached(session: Session, request: StartRequest) -> tuple[list[StartedInstance], int]:
    """Start instances of the resident launcher; the highest exit code of those that have ended already beside them."""
    from unishare.fleet import launcher

    logs = session.settings.run / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    async with await launcher.resident(session.settings) as control:
        try:
            started = _noted(await control.start_with_warnings(request.model_copy(update={"logs": str(logs)})))
            if all(entry.state in (None, "ready") for entry in started):
                return started, 0
            names = {entry.instance for entry in started}
            return started, max(_code(found) for found in await control.list() if found.instance in names)
        except UnishareError:
            # A launcher that has nothing to hold is not left behind.
            with contextlib.suppress(UnishareError):
                if not await control.list():
                    await control.shutdown()
            raise


def _noted(started: Started) -> list[StartedInstance]:
    """The instances, once it is said why they do not begin from a snapshot."""
    for warning in started.warnings:
        note(f"warning: {warning}; 'unishare snapshot' takes new ones")
    return started.instances


def _tell_started(started: list[StartedInstance], code: int, as_json: bool) -> int:
    """Print what was started and why some of it has ended; the exit code."""
    if as_json:
        print_json([instance.model_dump() for instance in started])
    else:
        for entry in started:
            click.echo(entry.instance + (f" {entry.state}" if entry.state not in (None, "ready") else ""))
    crashed = [instance for instance in started if instance.state == "crashed"]
    if crashed:
        note(f"{len(crashed)} of {len(started)} crashed; 'unishare crash {crashed[0].instance}' explains it")
        return code
    late = [instance for instance in started if instance.state == "timed-out"]
    if late:
        raise TimeLimitError(
            f"{len(late)} of {len(started)} did not get ready to serve requests and were ended",
            "look for a loop before main begins to serve; without --detach its console is shown",
        )
    if code:
        ended = [instance for instance in started if instance.state == "exited"]
        note(f"{len(ended)} of {len(started)} ended, with code {code}; 'unishare logs {ended[0].instance}' shows what it said")
    return code


def _exec_monitor(session: Session, request: StartRequest) -> None:
    """Become the monitor: signals, console and exit code are then its own."""
    from unishare.fleet.foreground import foreground_command

    command = foreground_command(session.settings, request)
    sys.stdout.flush()
    os.execv(command[0], command)


async def _hold(session: Session, request: StartRequest) -> int:
    """Hold instances until they have all ended, or Ctrl-C; the highest of their exit codes."""
    from unishare.fleet import launcher

    async with launcher.private(session.settings) as (control, _pid):
        started = _noted(await control.start_with_warnings(request))
        note(f"{sum(instance.state in (None, 'ready') for instance in started)} instances are running; Ctrl-C stops them")
        while True:
            found = await control.list()
            if not any(instance.live for instance in found):
                return max((_code(instance) for instance in found), default=0)
            await asyncio.sleep(0.2)


def _code(instance: Instance) -> int:
    """The exit code of an instance that has ended; one that had to be killed for its time did not end by itself."""
    return TimeLimitError.exit_code if instance.state == "timed-out" else instance.exit or 0
