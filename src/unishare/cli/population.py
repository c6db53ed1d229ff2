"""`unishare population`: many different functions from a seed, written, built, pooled and checked."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from unishare.cli.options import choose_tender, tender_option
from unishare.cli.progress import steps
from unishare.cli.session import Session, json_option, note, pass_session, print_json, print_table
from unishare.fleet.messages import Tender
from unishare.fleet.references import ImageReference
from unishare.formats.layouts import DEFAULT_LAYOUT, LAYOUTS

if TYPE_CHECKING:
    from unishare.evaluation.population.check import Wrong

SHOWN = 20


@click.command()
@click.option("--count", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="How many functions.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), required=True, help="The same seed gives the same functions.")
@click.option(
    "--layout", "layouts", type=click.Choice(LAYOUTS), multiple=True, default=(DEFAULT_LAYOUT,), show_default=True,
    help="How images are linked; may be given several times.",
)  # fmt: skip
@click.option("--write-only", is_flag=True, help="Write the projects and build nothing.")
@click.option("--check", "checking", is_flag=True, help="Run every image once and compare all its answers.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FOLDER",
    help="Where the projects are written. Default: population/SEED in the home.",
)  # fmt: skip
@click.option("-j", "--jobs", type=click.IntRange(1, 1024), help="Compilers at the same time. Default: one a core.")
@tender_option
@json_option
@pass_session
def population(
    session: Session, count: int, seed: int, layouts: tuple[str, ...], write_only: bool, checking: bool, output: Path | None,
    jobs: int | None, tender: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Write and build many different functions: the population that evaluations run.

    Each has code, constants, files, requests and expected answers of its own, and calls a random set of the catalogue's
    libraries. The folder is a catalogue: in it, `unishare build` and `unishare run` know the functions by name.

    \b
    Examples:
      unishare population --count 50 --seed 1 --check
      unishare population --seed 7 --layout default --layout dce --layout aligned
      unishare population --count 1000 --seed 7 --write-only -o functions
    """
    from unishare.evaluation.population.write import Population, write

    if write_only and checking:
        raise click.UsageError("give --write-only or --check, not both: what is checked must be built")
    functions = Population(seed=seed, count=count)
    folder = (output or session.settings.home / "population" / str(seed)).absolute()
    with steps() as step:
        write(folder, functions, lambda done, total: step("writing", done, total))
    chosen = [] if write_only else list(dict.fromkeys(layouts))
    built = _build(session, folder, functions.names(), chosen, jobs)
    wrong = _check(session, folder, built, choose_tender(tender)) if checking else []
    _report(folder, count, seed, chosen, built, wrong if checking else None, as_json)
    if wrong:
        raise click.exceptions.Exit(1)


def _build(
    session: Session, folder: Path, names: Sequence[str], layouts: Sequence[str], jobs: int | None
) -> list[tuple[str, ImageReference]]:
    """Build and pool all functions; layouts and images."""
    from unishare.evaluation.population.images import build_population

    with steps() as step:
        return [
            (layout, image)
            for layout in layouts
            for image in build_population(session.settings, folder, names, layout, jobs or os.cpu_count() or 1, step)
        ]


def _check(session: Session, folder: Path, built: Sequence[tuple[str, ImageReference]], tender: Tender) -> list[Wrong]:
    from unishare.evaluation.bench.workload import Function
    from unishare.evaluation.population.check import check
    from unishare.fleet.examples import expectations
    from unishare.toolchain.recipes.catalog import Catalog

    catalog = Catalog([folder])
    functions = [(layout, Function(image.name, image, expectations(catalog.app(image.name)))) for layout, image in built]
    # In an order of chance, so that a failure which depends on what else runs is not tied to one layout.
    random.Random(len(functions)).shuffle(functions)
    done = 0
    with steps() as step:

        def one_more() -> None:
            nonlocal done
            done += 1
            step("checking", done, len(functions))

        return asyncio.run(check(session.settings, functions, tender, one_more))


def _report(
    folder: Path, count: int, seed: int, layouts: Sequence[str], built: Sequence[tuple[str, ImageReference]],
    wrong: Sequence[Wrong] | None, as_json: bool,
) -> None:  # fmt: skip
    if as_json:
        print_json(
            {
                "folder": str(folder), "count": count, "seed": seed, "layouts": list(layouts),
                "images": [{"name": image.name, "layout": layout, "manifest": str(image.manifest)} for layout, image in built],
                "wrong": None if wrong is None else [vars(failure) for failure in wrong],
            }
        )  # fmt: skip
        return
    click.echo(f"{folder}: {count} functions of seed {seed}")
    if built:
        click.echo(f"{len(built)} images as {', '.join(layouts)}")
    if wrong is None:
        return
    if wrong:
        print_table(
            ["layout", "function", "what was wrong"],
            [(failure.layout, failure.app, failure.reason) for failure in wrong[:SHOWN]],
        )
        note(
            f"{len(wrong)} of {len(built)} images were wrong" + (f"; the first {SHOWN} are shown" if len(wrong) > SHOWN else "")
        )
    else:
        click.echo(f"all {len(built)} answered right")
