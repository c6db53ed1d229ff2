"""`unishare bench start`: what starts cost, in the foreground, through a running launcher, step by step, and of many at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from unishare.cli.bench_options import built_functions, print_report, quick_option, rounds_option
from unishare.cli.options import choose_tender, layout_option, tender_option
from unishare.cli.progress import steps
from unishare.cli.session import Session, json_option, pass_session

if TYPE_CHECKING:
    from unishare.evaluation.bench.report import BenchReport
    from unishare.fleet.messages import Tender


@click.command()
@tender_option
@layout_option
@click.option(
    "--launched",
    is_flag=True,
    help="Instead: from asking a running launcher to the first answer, cold, from a snapshot and from parked.",
)
@click.option("--steps", "stepwise", is_flag=True, help="Instead: the same, by step, of hello and lua.")
@click.option(
    "--fleet",
    type=click.IntRange(20, 1000),
    is_flag=False,
    flag_value=1000,
    metavar="[N]",
    help="Instead: seconds until N instances (default: 1000) of 20 functions have started and answered.",
)
@click.option(
    "--scale",
    type=click.IntRange(10, 20_000),
    is_flag=False,
    flag_value=1000,
    metavar="[N]",
    help="Instead: the time of each of N starts (default: 1000) of hello into one fleet, by place in it.",
)
@rounds_option
@quick_option
@json_option
@pass_session
def start(
    session: Session, tender: str | None, layout: str, launched: bool, stepwise: bool, fleet: int | None, scale: int | None,
    rounds: int | None, quick: bool, as_json: bool,
) -> None:  # fmt: skip
    """Time from the monitor's exec to the first answer, against an empty VM or process.

    With --scale, whether the price of a start grows with the fleet. More than 1000 instances are a hazard on Linux 6.18: the end
    of thousands of confined processes at one moment, as by a kill of the launcher, can lock up the kernel. They are ended in small
    parts, also at Ctrl-C.

    \b
    Examples:
      unishare bench start --tender process
      unishare bench start --launched --tender kvm
      unishare bench start --fleet 300 --tender process
    """
    if sum((launched, stepwise, fleet is not None, scale is not None)) > 1:
        raise click.UsageError("--launched, --steps, --fleet and --scale are different measurements: give one")
    chosen = choose_tender(tender)
    if launched:
        report = _launched(session, chosen, layout, rounds or (20 if quick else 200))
    elif stepwise:
        report = _steps(session, chosen, layout, rounds or (20 if quick else 200))
    elif fleet is not None:
        report = _fleet(session, chosen, layout, fleet, rounds or (1 if quick else 5))
    elif scale is not None:
        report = _scale(session, chosen, layout, scale)
    else:
        report = _foreground(session, chosen, layout, rounds or (3 if quick else 20))
    print_report(report, as_json)


def _foreground(session: Session, tender: Tender, layout: str, rounds: int) -> BenchReport:
    from unishare.evaluation.bench.start import bench_start

    functions = built_functions(session, layout)
    with steps() as step:
        return bench_start(session.settings, functions, tender, layout, rounds, step)


def _launched(session: Session, tender: Tender, layout: str, rounds: int) -> BenchReport:
    from unishare.evaluation.bench.launched import LAUNCHED, bench_launched

    functions = built_functions(session, layout, LAUNCHED)
    with steps() as step:
        return asyncio.run(bench_launched(session.settings, functions, tender, layout, rounds, step))


def _steps(session: Session, tender: Tender, layout: str, rounds: int) -> BenchReport:
    from unishare.evaluation.bench.start_steps import STEPPED, bench_start_steps

    functions = built_functions(session, layout, STEPPED)
    with steps() as step:
        return asyncio.run(bench_start_steps(session.settings, functions, tender, layout, rounds, step))


def _fleet(session: Session, tender: Tender, layout: str, count: int, rounds: int) -> BenchReport:
    from unishare.evaluation.bench.many_starts import MANY, bench_many_starts
    from unishare.evaluation.bench.scale import check_host

    check_host(count)
    functions = built_functions(session, layout, MANY)
    with steps() as step:
        return asyncio.run(bench_many_starts(session.settings, functions, tender, layout, count, rounds, step))


def _scale(session: Session, tender: Tender, layout: str, count: int) -> BenchReport:
    from unishare.evaluation.bench.scale import bench_scale, check_host

    check_host(count)
    (function,) = built_functions(session, layout, ("hello",))
    with steps() as step:
        return asyncio.run(bench_scale(session.settings, function, tender, layout, count, step))
