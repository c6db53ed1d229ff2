"""`unishare logs`: what an instance wrote to its console, as the launcher keeps it in a file."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click

from unishare.cli.names import instance_argument
from unishare.cli.session import Session, pass_session
from unishare.cli.terminal import TerminalText
from unishare.errors import NotFoundError

CHUNK = 1 << 16
LOOK_AGAIN_S = 0.1
# What the launcher adds to the name of a log that grew too large and was set aside (docs/formats/control.md).
SET_ASIDE = ".1"


@click.command()
@instance_argument("instance")
@click.option("-f", "--follow", is_flag=True, help="Go on printing until the instance ends, or Ctrl-C.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N lines.")
@pass_session
def logs(session: Session, instance: str, follow: bool, tail: int | None) -> None:
    """Print what an instance wrote to its console.

    On a terminal, bytes that would control it are shown as \\xNN; into a file or pipe they go as they are.

    \b
    Examples:
      unishare logs gzip-1 --tail 20
      unishare logs gzip-1 --follow
    """
    log = log_file(session, instance)
    aside = log.with_name(log.name + SET_ASIDE)
    if not log.is_file():
        raise NotFoundError(f"there is no log of instance {instance!r}", "'unishare ps' lists instances")
    with log.open("rb") as stream:
        chunks = [*_chunks_of(aside), *_chunks(stream)] if tail is not None else []
        for chunk in _last_lines(chunks, tail) if tail is not None else _all(aside, stream):
            _print(chunk)
        if follow:
            _follow(session, instance, log, stream)


def log_file(session: Session, instance: str) -> Path:
    """Where the launcher puts an instance's console."""
    if "/" in instance:
        raise NotFoundError(f"{instance!r} is not the name of an instance", "'unishare ps' lists instances")
    return session.settings.run / "logs" / f"{instance}.log"


def _all(aside: Path, stream: BinaryIO) -> Iterator[bytes]:
    yield from _chunks_of(aside)
    yield from _chunks(stream)


def _chunks_of(file: Path) -> Iterator[bytes]:
    if file.is_file():
        with file.open("rb") as stream:
            yield from _chunks(stream)


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        yield chunk


def _last_lines(chunks: list[bytes], count: int) -> Iterator[bytes]:
    """The last `count` lines; the launcher bounds a log, so all of it fits into memory."""
    yield from deque(b"".join(chunks).splitlines(keepends=True), maxlen=count)


def _follow(session: Session, instance: str, log: Path, stream: BinaryIO) -> None:
    """Print what comes, also when the log is set aside and begun anew, until the instance has ended and all is printed."""
    while True:
        live = asyncio.run(_is_live(session, instance))
        for chunk in _chunks(stream):
            _print(chunk)
        if log.is_file() and log.stat().st_ino != _inode(stream):
            with log.open("rb") as fresh:
                return _follow(session, instance, log, fresh)
        if log.is_file() and log.stat().st_size < stream.tell():
            stream.seek(0)  # it was set aside: its bytes were copied, and it was cut
            continue
        if not live:
            return None
        time.sleep(LOOK_AGAIN_S)


def _inode(stream: BinaryIO) -> int:
    return Path(f"/proc/self/fd/{stream.fileno()}").stat().st_ino


async def _is_live(session: Session, instance: str) -> bool:
    from unishare.fleet import launcher

    control = await launcher.running_or_none(session.settings)
    if control is None:
        return False
    async with control:
        return any(found.instance == instance and found.live for found in await control.list())


def _print(chunk: bytes) -> None:
    if sys.stdout.isatty():
        click.echo(_terminal.text(chunk), nl=False)
    else:
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


_terminal = TerminalText()
