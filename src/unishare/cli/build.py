"""`unishare build`: recipes to images in the pool."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from unishare.cli.names import app_argument
from unishare.cli.options import layouts_option
from unishare.cli.progress import steps
from unishare.cli.session import Session, json_option, note, pass_session, print_json
from unishare.errors import UnishareError
from unishare.formats.layouts import DEFAULT_LAYOUT

if TYPE_CHECKING:
    from pathlib import Path

    from unishare.pool.store import Pool
    from unishare.toolchain.recipes.recipe import AppRecipe


@click.command()
@app_argument("apps", metavar="APP...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Build every app of the catalogue.")
@layouts_option
@click.option("-j", "--jobs", type=click.IntRange(1, 1024), help="Compilers at the same time. Default: one a core.")
@json_option
@pass_session
def build(
    session: Session, apps: tuple[str, ...], everything: bool, layouts: tuple[str, ...], jobs: int | None, as_json: bool
) -> None:
    """Build apps: fetch pinned sources, compile libraries once, link, and put the pages into the pool.

    What was built before is taken from the cache. Images lie in the home under images/LAYOUT/APP. Without APP, in a project
    folder (one with app.toml), the project is built.

    \b
    Examples:
      unishare build gzip sql
      unishare build --all --layout default
      unishare build hello --layout dce --layout aligned
    """
    names = wanted_apps(apps, everything)
    images = []
    for layout in dict.fromkeys(layouts):
        built = build_apps(session, names, layout, jobs)
        images += [{"name": name, "layout": layout, "manifest": manifest} for name, manifest in built]
        if not as_json:
            for name, manifest in built:
                click.echo(f"{name} {manifest}")
    if as_json:
        print_json({"images": images})


def wanted_apps(apps: tuple[str, ...], everything: bool) -> Sequence[str]:
    """The apps that a command line names, or the project's own."""
    from unishare.toolchain.recipes.catalog import Catalog

    if apps and everything:
        raise click.UsageError("name the apps to build, or give --all, not both")
    if everything:
        return Catalog.from_here().app_names()
    own = [recipe.name for recipe in Catalog.from_here().own_apps()]
    if not apps and not own:
        raise click.UsageError("name the apps to build, or give --all")
    return apps or own


def build_apps(
    session: Session, names: Sequence[str], layout: str = DEFAULT_LAYOUT, jobs: int | None = None
) -> list[tuple[str, str]]:
    """Build and pool apps, with progress; their names and manifests."""
    from unishare.fleet.foreground import asking
    from unishare.pool.store import Pool
    from unishare.toolchain.build import Builder
    from unishare.toolchain.recipes.catalog import Catalog

    pool, catalog = Pool.create(session.settings.pool), Catalog.from_here()
    built = []
    warnings: list[str] = []
    jobs = jobs or os.cpu_count() or 1
    publish, ask = pool.publish, asking(session.settings, pool)
    try:
        with (
            steps() as step,
            Builder(catalog, session.settings, jobs, step, publish=publish, warn=warnings.append, ask=ask) as builder,
        ):
            for image in builder.images(names, layout):
                built.append((image.name, str(pool.ensure_image(image.folder))))
                _take_snapshots(pool, image.folder, catalog.app(image.name))
            step("built", len(names), len(names))
    finally:
        # Behind the moving line of the progress, also when something else failed.
        for warning in dict.fromkeys(warnings):
            note(warning)
    return built


def _take_snapshots(pool: Pool, folder: Path, recipe: AppRecipe) -> None:
    """Take the snapshots that a recipe wants, unless they are there. Those that it does not name are a gift: without them the image starts too."""
    from unishare.fleet.examples import expectations
    from unishare.pool import snapshots

    wanted = recipe.wanted_snapshots
    if wanted is None or snapshots.are_current(pool, folder):
        return
    try:
        warm = [recipe.folder / file for file in wanted.warm]
        requests = [example.request for example in expectations(recipe)]
        snapshots.take(pool, folder, count=wanted.count, warm=warm, requests=requests)
    except UnishareError as error:
        if recipe.snapshot is not None:
            raise
        note(f"note: {error.message}")
