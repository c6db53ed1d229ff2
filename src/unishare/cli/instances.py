"""`unishare ps`, `stop` and `crash`: the instances that the home's resident launcher holds."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import click

from unishare.cli.names import instance_argument
from unishare.cli.session import Session, bytes_text, json_option, note, pass_session, print_json, print_table
from unishare.cli.terminal import printable
from unishare.errors import NotFoundError, UnishareError

if TYPE_CHECKING:
    from unishare.fleet.control import Control
    from unishare.fleet.messages import Instance, Stats


@click.command()
@click.option(
    "--memory", is_flag=True, help="What each costs: its own pages, its page tables, its share of all that it has mapped."
)
@json_option
@pass_session
def ps(session: Session, memory: bool, as_json: bool) -> None:
    """List instances that were started with `run --detach`, running or ended.

    With --json, live instances of aslr images have `bases`: where each of their modules lies.

    \b
    Examples:
      unishare ps
      unishare ps --memory
      unishare ps --json | jq -r '.[] | select(.state == "crashed").instance'
    """
    from unishare.fleet import launcher

    async def ask() -> tuple[list[Instance], dict[str, dict[str, str]], dict[str, Stats]]:
        control = await launcher.running_or_none(session.settings)
        if control is None:
            return [], {}, {}
        async with control:
            instances = await control.list()
            bases = await _bases(control, instances) if as_json else {}
            return instances, bases, await _costs(control, instances) if memory else {}

    found, bases, costs = asyncio.run(ask())
    if as_json:
        print_json(
            [
                {
                    **instance.model_dump(),
                    "bases": bases.get(instance.instance),
                    **({"memory": cost.model_dump() if cost else None} if memory else {}),
                }
                for instance in found
                for cost in [costs.get(instance.instance)]
            ]
        )
        return
    if not found:
        killed = launcher.was_killed(session.settings)
        note("the launcher was killed, and its instances ended with it" if killed else "no instances")
        note("start one with 'unishare run --detach IMAGE'")
        return
    columns = ["instance", "image", "pid#", "tender", "sharing", "state", "exit#", "requests#"]
    rows = [
        [
            entry.instance,
            entry.image or "(empty)",
            entry.pid,
            entry.tender,
            entry.sharing,
            entry.state,
            _dash(entry.exit),
            entry.invocations,
        ]
        for entry in found
    ]
    if any(entry.restarts for entry in found):
        columns.append("restarts#")
        for row, instance in zip(rows, found, strict=True):
            row.append(instance.restarts)
    if memory:
        columns += ["own#", "page tables#", "share#"]
        for row, instance in zip(rows, found, strict=True):
            row += _cost_cells(costs.get(instance.instance))
    print_table(columns, rows)


@click.command()
@instance_argument("names", metavar="INSTANCE...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Stop all instances and the launcher that holds them.")
@pass_session
def stop(session: Session, names: tuple[str, ...], everything: bool) -> None:
    """Stop instances.

    \b
    Examples:
      unishare stop gzip-1 gzip-2
      unishare stop --all
    """
    from unishare.fleet import launcher

    if bool(names) == everything:
        raise click.UsageError("name the instances to stop, or give --all")

    async def ask() -> list[str]:
        control = await (launcher.running_or_none if everything else launcher.running)(session.settings)
        if control is None:
            return []
        async with control:
            if everything:
                stopped = (await control.stop_all()).stopped
                await control.shutdown()
                return stopped
            return [name for wanted in names for name in (await control.stop(wanted)).stopped]

    for name in asyncio.run(ask()):
        click.echo(name)


@click.command()
@instance_argument("instance")
@json_option
@pass_session
def crash(session: Session, instance: str, as_json: bool) -> None:
    """Explain why an instance crashed: cause, registers, symbol, library, stack."""
    from unishare.fleet import launcher
    from unishare.fleet.crash import explain, read_evidence

    async def ask() -> dict[str, Any]:
        control = await launcher.running_or_none(session.settings)
        if control is not None:
            async with control:
                with contextlib.suppress(NotFoundError):
                    return (await control.crash(instance)).record
        evidence = read_evidence(session.settings.run / "logs", instance)
        if evidence is None:
            raise NotFoundError(f"{instance} has not crashed, or is not known", "'unishare ps' shows its state")
        return evidence

    found = explain(asyncio.run(ask()))
    if as_json:
        print_json(found.record)
    else:
        click.echo(printable(found.report.rstrip()))


async def _costs(control: Control, instances: list[Instance]) -> dict[str, Stats]:
    """What live instances cost."""
    found = {}
    for instance in instances:
        # One may end before it is asked about.
        with contextlib.suppress(UnishareError):
            if instance.live:
                found[instance.instance] = await control.stats(instance.instance)
    return found


def _cost_cells(cost: Stats | None) -> list[object]:
    return [bytes_text(value) for value in (cost.own, cost.page_tables, cost.pss)] if cost else ["-"] * 3


async def _bases(control: Control, instances: list[Instance]) -> dict[str, dict[str, str]]:
    """Where the modules of live instances lie that have random addresses."""
    found = {}
    for instance in instances:
        # One may be gone by the time that it is asked about.
        with contextlib.suppress(NotFoundError):
            answer = await control.bases(instance.instance) if instance.live else None
            if answer is not None and answer.random:
                found[instance.instance] = {module.module: module.base for module in answer.modules}
    return found


def _dash(value: object) -> object:
    return "-" if value is None else value
