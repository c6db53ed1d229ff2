"""`unishare gdb`: symbols of a running instance for the GNU debugger."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from unishare.cli.names import instance_argument
from unishare.cli.session import Session, note, pass_session
from unishare.errors import NotFoundError

if TYPE_CHECKING:
    from unishare.fleet.messages import Bases, Instance


@click.command()
@instance_argument("instance")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the commands there. Default: a file in the home's run folder.",
)
@pass_session
def gdb(session: Session, instance: str, output: Path | None) -> None:
    """Write a gdb command file for INSTANCE: the symbols of each module where it lies in this instance, and print its name.

    Under the process tender the file attaches to the instance; needs the right to trace it. Under kvm gdb cannot attach, but it can
    say what lies at an address of a crash report.

    \b
    Examples:
      gdb -x $(unishare gdb gzip-1)
      gdb -batch -x $(unishare gdb gzip-1) -ex backtrace
      gdb -batch -x $(unishare gdb sql-1) -ex 'info symbol 0x3c1402ae108'      any tender
    """
    from unishare.inspect.gdb import command_file

    found, bases = asyncio.run(ask_bases(session, instance))
    attach = found.live and found.tender == "process"
    if output is None:
        output = session.settings.run / "gdb" / f"{instance}.gdb"
        output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(command_file(instance, bases, found.pid if attach else None), encoding="utf-8")
    click.echo(str(output))
    if not attach:
        why = "it has ended" if not found.live else "gdb cannot attach to the guest in a virtual machine"
        note(f"note: symbols only: {why}; try 'info symbol ADDRESS', 'info line *ADDRESS', 'disassemble ADDRESS,+64'")


async def ask_bases(session: Session, instance: str) -> tuple[Instance, Bases]:
    """Where a detached instance lies."""
    from unishare.fleet import launcher

    async with await launcher.running(session.settings) as control:
        for candidate in await control.list():
            if candidate.instance == instance:
                return candidate, await control.bases(instance)
    raise NotFoundError(f"there is no instance {instance!r}", "'unishare ps' lists instances")
