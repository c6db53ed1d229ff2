"""`unishare bench`: one command for one figure."""

from __future__ import annotations

import asyncio
import os

import click

from unishare.cli.bench_options import built_functions, print_report, quick_option, rounds_option
from unishare.cli.bench_start import start
from unishare.cli.names import app_argument
from unishare.cli.options import choose_tender, layout_option, tender_option
from unishare.cli.progress import steps
from unishare.cli.session import Session, json_option, pass_session
from unishare.formats.layouts import LAYOUTS


@click.group()
def bench() -> None:
    """Measure: one command for one figure, all configurations interleaved in the same run.

    \b
    Examples:
      unishare bench memory -n 1000 --tender process
      unishare bench start --json > start.json
    """


bench.add_command(start)


@bench.command()
@tender_option
@click.option("-n", "--count", type=click.IntRange(1, 20_000), default=1000, show_default=True, help="Instances in a fleet.")
@layout_option
@rounds_option
@quick_option
@json_option
@pass_session
def memory(
    session: Session, tender: str | None, count: int, layout: str, rounds: int | None, quick: bool, as_json: bool
) -> None:
    """Memory of a mixed fleet with sharing, without, and of as many empty ones (the floor)."""
    from unishare.evaluation.bench.memory import bench_memory, bench_memory_rounds

    functions = built_functions(session, layout)
    chosen = choose_tender(tender)
    with steps() as step:
        report = asyncio.run(
            bench_memory(session.settings, functions, chosen, layout, count, rounds or bench_memory_rounds(quick), step)
        )
    print_report(report, as_json)


@bench.command()
@tender_option
@click.option("-n", "--count", type=click.IntRange(2, 1000), default=300, show_default=True, help="Different functions.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=13, show_default=True, help="Of the population.")
@click.option(
    "--layout", "layouts", type=click.Choice(LAYOUTS), multiple=True, default=LAYOUTS, show_default=True,
    help="Layouts to build and measure; may be given several times.",
)  # fmt: skip
@rounds_option
@quick_option
@json_option
@pass_session
def idle(
    session: Session, tender: str | None, count: int, seed: int, layouts: tuple[str, ...], rounds: int | None, quick: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Memory of different functions that were asked once and are idle, by kind, above as many empty instances.

    Writes and builds the population of that seed first.

    \b
    Example:
      unishare bench idle -n 50 --layout aligned --layout aslr --tender process
    """
    from unishare.evaluation.bench.idle import bench_idle
    from unishare.evaluation.bench.workload import Function
    from unishare.evaluation.population.images import build_population
    from unishare.evaluation.population.write import Population, write
    from unishare.fleet.examples import expectations
    from unishare.toolchain.recipes.catalog import Catalog

    population = Population(seed=seed, count=count)
    folder = session.settings.home / "population" / f"{seed}-{count}"
    chosen = choose_tender(tender)
    with steps() as step:
        write(folder, population, lambda done, total: step("writing", done, total))
        catalog = Catalog([folder])
        functions = {
            layout: [
                Function(image.name, image, expectations(catalog.app(image.name)))
                for image in build_population(session.settings, folder, population.names(), layout, os.cpu_count() or 1, step)
            ]
            for layout in dict.fromkeys(layouts)
        }
        report = asyncio.run(bench_idle(session.settings, functions, chosen, rounds or (1 if quick else 3), step))
    print_report(report, as_json)


@bench.command()
@tender_option
@layout_option
@rounds_option
@quick_option
@json_option
@pass_session
def reset(session: Session, tender: str | None, layout: str, rounds: int | None, quick: bool, as_json: bool) -> None:
    """Microseconds that a return to the snapshot after each answer adds to a request, app by app.

    \b
    Example:
      unishare bench reset --tender process --quick
    """
    from unishare.evaluation.bench.reset import bench_reset

    functions = built_functions(session, layout)
    chosen = choose_tender(tender)
    with steps() as step:
        report = bench_reset(session.settings, functions, chosen, layout, rounds or (4 if quick else 20), step)
    print_report(report, as_json)


@bench.command()
@tender_option
@rounds_option
@quick_option
@json_option
@pass_session
def speed(session: Session, tender: str | None, rounds: int | None, quick: bool, as_json: bool) -> None:
    """Work per second of processor time of every app that has a long request, under each layout that is built.

    Build them first: unishare build --all --layout default, then dce, aligned and aslr.
    """
    from unishare.evaluation.bench.speed import BASELINE, MINIMUM_ROUNDS, OTHERS, QUICK_SLICE_US, SLICE_US, bench_speed
    from unishare.evaluation.bench.workload import load_functions
    from unishare.toolchain.recipes.catalog import Catalog

    names = [app.name for app in Catalog().apps() if app.work]
    built = [layout for layout in OTHERS if (session.settings.images / layout).is_dir()]
    functions = {layout: load_functions(session.settings, names, layout) for layout in (BASELINE, *built)}
    chosen = choose_tender(tender)
    count = rounds or (3 if quick else MINIMUM_ROUNDS)
    with steps() as step:
        report = asyncio.run(
            bench_speed(session.settings, functions, chosen, count, QUICK_SLICE_US if quick else SLICE_US, step)
        )
    print_report(report, as_json)


@bench.command()
@json_option
@pass_session
def sizes(session: Session, as_json: bool) -> None:
    """Bytes on disk under each layout, and what one more image adds to the pool, over all built apps of the catalogue."""
    from unishare.errors import NotFoundError
    from unishare.evaluation.bench.sizes import bench_sizes
    from unishare.inspect.sizes import compare
    from unishare.toolchain.recipes.catalog import Catalog

    rows = compare(session.settings, Catalog().app_names())
    if not rows:
        raise NotFoundError("no app of the catalogue is built", "unishare build --all, with --layout default, dce and aligned")
    print_report(bench_sizes(rows), as_json)


@bench.command()
@app_argument("apps", metavar="[APP...]", nargs=-1)
@json_option
@pass_session
def placement(session: Session, apps: tuple[str, ...], as_json: bool) -> None:
    """Mappings and page tables of an instance when libraries are scattered, neighbours, and neighbours in one run.

    Links APPs (default: all of the catalogue) for each; what was compiled before is used.
    """
    from unishare.evaluation.bench.placement import bench_placement
    from unishare.toolchain.recipes.catalog import Catalog

    catalog = Catalog()
    with steps() as step:
        names = apps or catalog.app_names()
        report = asyncio.run(bench_placement(session.settings, catalog, names, os.cpu_count() or 1, step))
    print_report(report, as_json)


@bench.command("map")
@click.option("--versions", type=click.IntRange(20, 100_000), default=2000, show_default=True, help="Library versions.")
@click.option("--apps", type=click.IntRange(1, 100_000), default=500, show_default=True, help="Apps that use them.")
@rounds_option
@quick_option
@json_option
@pass_session
def map_(_session: Session, versions: int, apps: int, rounds: int | None, quick: bool, as_json: bool) -> None:
    """The global map at scale: time to allocate and to load, with synthetic libraries."""
    from unishare.evaluation.bench.map_scale import bench_map

    with steps() as step:
        report = bench_map(versions, apps, rounds or (3 if quick else 9), step)
    print_report(report, as_json)


@bench.command()
@tender_option
@click.option("--app", default="gzip", show_default=True, help="Whose bases are drawn.")
@click.option("--draws", type=click.IntRange(1000, 1_000_000), default=10_000, show_default=True, help="How many starts.")
@click.option("--seed", type=click.IntRange(0, (1 << 64) - 1), metavar="N", help="Draw the same bases every time.")
@rounds_option
@quick_option
@json_option
@pass_session
def aslr(
    session: Session,
    tender: str | None,
    app: str,
    draws: int,
    seed: int | None,
    rounds: int | None,
    quick: bool,
    as_json: bool,
) -> None:
    """What random addresses add to a start and to private memory, what more gaps cost, and whether bases are random.

    Over all apps of the catalogue, under the layouts aligned and aslr; builds what is not built yet.
    """
    from unishare.evaluation.bench.aslr import LAYOUTS, QUICK_ROUNDS, ROUNDS, bench_aslr
    from unishare.toolchain.recipes.catalog import Catalog

    names = [app, *(recipe.name for recipe in Catalog().apps() if recipe.example and recipe.name != app)]
    functions = {layout: built_functions(session, layout, names) for layout in LAYOUTS}
    chosen = choose_tender(tender)
    with steps() as step:
        report = bench_aslr(
            session.settings, functions, chosen, rounds or (QUICK_ROUNDS if quick else ROUNDS), draws, seed, step
        )
    print_report(report, as_json)


@bench.command()
@rounds_option
@quick_option
@json_option
def linkage(rounds: int | None, quick: bool, as_json: bool) -> None:
    """Calls between modules a second: through entries of shared code, through slots, through a private table, and direct."""
    from unishare.evaluation.bench.linkage import MINIMUM_ROUNDS, QUICK_SAMPLE_MS, SAMPLE_MS, bench_linkage

    with steps() as step:
        report = bench_linkage(rounds or (3 if quick else MINIMUM_ROUNDS), QUICK_SAMPLE_MS if quick else SAMPLE_MS, step)
    print_report(report, as_json)


@bench.command()
@tender_option
@layout_option
@rounds_option
@quick_option
@json_option
@pass_session
def javascript(session: Session, tender: str | None, layout: str, rounds: int | None, quick: bool, as_json: bool) -> None:
    """Private memory of one idle function in JavaScript and its start, beside an embedded engine of ES5 and a Node process.

    \b
    Example:
      unishare bench javascript --tender process
    """
    from unishare.evaluation.bench.javascript import APPS, bench_javascript

    functions = built_functions(session, layout, APPS)
    chosen = choose_tender(tender)
    with steps() as step:
        report = asyncio.run(
            bench_javascript(session.settings, functions, chosen, layout, rounds or (2 if quick else 10), step)
        )
    print_report(report, as_json)
