"""`unishare evaluate`: every published figure, measured and drawn by one command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unishare.cli.numbers import MOST_SECONDS, NumberRange
from unishare.cli.progress import steps
from unishare.cli.session import Session, json_option, note, pass_session, print_json

if TYPE_CHECKING:
    from unishare.evaluation.run.plan import PlannedPart
    from unishare.evaluation.run.preparation import NeededImages
    from unishare.evaluation.scenario import SizeName

BUDGET_MIN = {"full": 45.0, "quick": 5.0, "tiny": 5.0}


@click.command()
@click.argument("names", metavar="[SCENARIO...]", nargs=-1)
@click.option("--quick", is_flag=True, help="Smaller and fewer fleets, at most 5 minutes: a look, and every figure says so.")
@click.option("--tiny", is_flag=True, hidden=True, help="A test of the machinery; figures mean nothing.")
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Readings, report and figures. What is there of the same programs is not measured again. Default: evaluation/full or quick in the home.",
)  # fmt: skip
@click.option("-n", "--instances", type=click.IntRange(1, 1000), metavar="N", help="No fleet larger than this.")
@click.option(
    "--budget",
    type=NumberRange(min=0.1, max=MOST_SECONDS),
    metavar="MINUTES",
    help="Leave out what would end later. Default: 45, with --quick 5.",
)
@click.option("--prepare", "only_prepare", is_flag=True, help="Build what the scenarios run, and measure nothing.")
@click.option("--plan", "only_plan", is_flag=True, help="Say what would be measured and about how long it takes.")
@click.option(
    "--publish",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Also write report.json and the figures there.",
)
@click.option(
    "--readme",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="With --publish: write the headline between this page's marks.",
)
@click.option(
    "--against",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="REPORT",
    help="Compare with another run's report.json.",
)
@json_option
@pass_session
def evaluate(
    session: Session, names: tuple[str, ...], quick: bool, tiny: bool, output: Path | None, instances: int | None, budget: float | None,
    only_prepare: bool, only_plan: bool, publish: Path | None, readme: Path | None, against: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Measure SCENARIOs (default: all), and write a report with every figure, its numbers and the command that made it.

    A SCENARIO is a name or a .toml file: memory, growth, tlb, sizes, speed, start, libraries, deduplication, scale, peers. Some need
    root, some KSM; what cannot be measured here is said in its place. KSM's parameters are given back also after an interrupt.

    \b
    Examples:
      unishare evaluate --quick
      unishare evaluate memory tlb --output results
      unishare evaluate --publish docs/evaluation --readme README.md
      unishare evaluate --against docs/evaluation/report.json
    """
    from unishare.evaluation.run.plan import plan, seconds
    from unishare.evaluation.run.preparation import needs, prepare
    from unishare.evaluation.scenario import find_scenario, scenario_names

    if readme is not None and publish is None:
        raise click.UsageError("--readme needs --publish: the page shows a published figure")
    size: SizeName = "tiny" if tiny else "quick" if quick else "full"
    scenarios = [find_scenario(name) for name in names or scenario_names()]
    parts = plan(scenarios, size, instances)
    needed = needs(parts)
    minutes = budget or BUDGET_MIN[size]
    building = needed.seconds(session.settings)
    note(
        f"{len(parts)} parts of {len(scenarios)} scenarios, {size}: about {building / 60:.1f} min to build {needed.missing(session.settings)} "
        f"images, {seconds(parts) / 60:.1f} min to measure, at most {minutes:g} min in all"
    )
    if only_plan:
        _print_plan(parts, needed, as_json)
        return
    _load_plots()
    with steps() as step:
        began = _now()
        prepare(session.settings, needed, step)
    if only_prepare:
        return
    folder = (output or session.settings.home / "evaluation" / size).absolute()
    failed = _measure(session, parts, folder, size, minutes * 60 - (_now() - began))
    report = _report(folder, scenarios, publish, against, as_json)
    if readme is not None and publish is not None:
        _write_headline(readme, report, publish)
    if failed:
        note(f"{failed} parts failed; run the same command again to measure them")
        raise click.exceptions.Exit(1)


def _now() -> float:
    import time

    return time.monotonic()


def _load_plots() -> None:
    """Say now that the extra is missing, not after an hour of measuring."""
    from unishare.errors import HostLacksError

    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise HostLacksError("figures need matplotlib", "pip install 'unishare[evaluation]'") from None


def _measure(session: Session, parts: list[PlannedPart], folder: Path, size: str, budget_s: float) -> int:
    from unishare.evaluation.run.conductor import Conductor, write_run
    from unishare.evaluation.run.environment import describe, programs
    from unishare.evaluation.run.samples import Samples

    samples = Samples.create(folder)
    if os.geteuid():
        note("note: not root: frames, page contents, TLB flushes and KSM are left out")
    conductor = Conductor(session.settings, samples, programs(), budget_s, note)
    with steps() as step:
        outcomes = conductor.run(parts, step)
    write_run(folder, size, outcomes, describe())
    return sum(outcome.state == "failed" for outcome in outcomes)


def _report(folder: Path, scenarios: list, publish: Path | None, against: Path | None, as_json: bool) -> dict[str, Any]:  # type: ignore[type-arg]
    from unishare.evaluation.report.compare import differences
    from unishare.evaluation.report.write import write_report

    report = write_report(folder, scenarios, publish)
    if as_json:
        print_json(report)
    else:
        click.echo(f"report: {folder / 'report.html'}")
        for line in report["claims"]:
            click.echo(f"  {line['claim']}: {line['measured']}")
    if against is not None:
        for line in differences(report, against):
            click.echo(line)
    return report


def _write_headline(readme: Path, report: dict[str, Any], publish: Path) -> None:
    from unishare.evaluation.report.headline import with_block
    from unishare.state import replace_file

    figures = os.path.relpath(publish, readme.absolute().parent)
    replace_file(readme, with_block(readme.read_text(), report, figures).encode())


def _print_plan(parts: list[PlannedPart], needed: NeededImages, as_json: bool) -> None:
    rows = [
        {
            "scenario": part.name.scenario,
            "configuration": part.name.configuration,
            "round": part.round,
            "seconds": round(part.seconds()),
        }
        for part in parts
    ]
    if as_json:
        print_json({"parts": rows, "functions": [[*key, count] for key, count in needed.functions.items()]})
        return
    for row in rows:
        click.echo(f"{row['scenario']:<14} {row['configuration']:<32} round {row['round']}  about {row['seconds']} s")
