"""`unishare invoke`: ask a function and print its answer."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from typing import BinaryIO, cast

import click

from unishare.cli.names import image_argument
from unishare.cli.options import (
    Assignment,
    choose_tender,
    cpu_limit_option,
    fresh_option,
    gaps_option,
    image_or_own,
    memory_option,
    milliseconds,
    refuse_useless_seed,
    seed_option,
    sharing_option,
    tender_option,
    time_limit_option,
    with_snapshots,
)
from unishare.cli.session import Session, pass_session
from unishare.cli.terminal import TerminalText
from unishare.errors import BadRequestError
from unishare.fleet.messages import Answer, Sharing, StartRequest


@click.command()
@image_argument("target", metavar="[IMAGE-OR-INSTANCE]", required=False)
@click.option("--data", metavar="TEXT", help="The request, as text.")
@click.option(
    "--env",
    "environment",
    type=Assignment(),
    multiple=True,
    metavar="K=V",
    help="Set a variable of an instance that is started; may be repeated.",
)
@click.option("--file", "file", type=click.File("rb"), metavar="F", help="The request, from a file; - is stdin.")
@tender_option
@sharing_option
@memory_option
@time_limit_option
@cpu_limit_option
@seed_option
@gaps_option
@fresh_option
@pass_session
def invoke(
    session: Session,
    target: str | None,
    data: str | None,
    file: BinaryIO | None,
    environment: tuple[tuple[str, str], ...],
    tender: str | None,
    sharing: str,
    memory: int | None,
    time_limit: float | None,
    cpu_limit: int | None,
    seed: int | None,
    gaps: int | None,
    fresh: bool,
) -> None:
    """Send one request to a function and print its answer.

    Given the name of a running instance, asks that one. Given an image, starts one, asks it and stops it; in a project folder
    the image can be left out. Without --data and --file the request is what comes through a pipe, or empty. The function's own
    status is the exit code: 0 is good. On a terminal, bytes of the answer that would control it are shown as \\xNN.

    \b
    Examples:
      unishare invoke hello --data world
      unishare invoke gzip --file report.txt > report.txt.gz
      cat report.txt | unishare invoke gzip > report.txt.gz
      unishare invoke gzip-17 --data hello --time-limit 2
    """
    if data is not None and file is not None:
        raise click.UsageError("give --data or --file, not both")
    payload = _payload(data, file)
    target = image_or_own(target)
    # A seed is for an instance to be: one that runs already has its addresses.
    answer = asyncio.run(_ask_running(session, target, payload, milliseconds(time_limit))) if seed is None else None
    if answer is not None and environment:
        raise click.UsageError(f"--env is for an instance that is started, and {target} runs already")
    if answer is not None:
        _print(answer.payload)
        sys.exit(answer.status)
    wanted = StartRequest(
        sharing=cast(Sharing, sharing),
        memory=memory,
        seed=seed,
        gaps=gaps,
        env=dict(environment) or None,
        time_limit_ms=milliseconds(time_limit),
        cpu_limit_s=cpu_limit,
    )
    _ask_new(session, target, payload, tender, wanted, fresh)


def _print(answer: bytes) -> None:
    """An answer as it is, or on a terminal, which would obey it, as text."""
    sys.stdout.buffer.write(TerminalText().text(answer).encode() if sys.stdout.isatty() else answer)
    sys.stdout.buffer.flush()


def _payload(data: str | None, file: BinaryIO | None) -> bytes:
    """The request: --data, --file, or what a pipe or a redirected file holds."""
    if data is not None:
        return os.fsencode(data)
    if file is not None:
        return _bounded(file)
    kind = os.fstat(0).st_mode
    return _bounded(sys.stdin.buffer) if stat.S_ISFIFO(kind) or stat.S_ISREG(kind) or stat.S_ISSOCK(kind) else b""


def _bounded(stream: BinaryIO) -> bytes:
    """What a stream holds; one that never ends is not read into memory."""
    from unishare.fleet.control import PAYLOAD_MAX

    payload = stream.read(PAYLOAD_MAX + 1)
    if len(payload) > PAYLOAD_MAX:
        raise BadRequestError(f"the request has more than {PAYLOAD_MAX} bytes", "No instance takes more (docs/limits.md).")
    return payload


async def _ask_running(session: Session, target: str, payload: bytes, limit_ms: int | None) -> Answer | None:
    """The answer of a running instance of that name; None when there is none."""
    from unishare.fleet import launcher

    control = await launcher.running_or_none(session.settings)
    if control is None:
        return None
    async with control:
        if not any(instance.instance == target for instance in await control.list()):
            return None
        return await control.invoke(target, payload, limit_ms)


def _ask_new(session: Session, target: str, payload: bytes, tender: str | None, wanted: StartRequest, fresh: bool) -> None:
    """Become a monitor that starts the image, asks it and stops it; the request waits in memory as its stdin."""
    from unishare.fleet.foreground import foreground_command
    from unishare.fleet.references import resolve

    image = resolve(target, session.settings)
    refuse_useless_seed(image, wanted.seed)
    request = wanted.model_copy(update={"manifest": str(image.manifest), "tender": choose_tender(tender)})
    command = foreground_command(session.settings, with_snapshots(request, fresh), invoke="-")
    stdin = os.memfd_create("request")
    with os.fdopen(os.dup(stdin), "wb") as stream:
        stream.write(payload)
    os.lseek(stdin, 0, os.SEEK_SET)
    os.dup2(stdin, 0)
    os.execv(command[0], command)
