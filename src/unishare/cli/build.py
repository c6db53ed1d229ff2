"""`unishare build`: recipes to images in the pool."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from unishare.cli.progress import steps
from unishare.cli.session import Session, pass_session
from unishare.fleet.image import DEFAULT_LAYOUT, LAYOUTS


@click.command()
@click.argument("apps", metavar="APP...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Build every app of the catalogue.")
@click.option("--layout", type=click.Choice(LAYOUTS), default=DEFAULT_LAYOUT, show_default=True, help="How images are linked.")
@click.option("-j", "--jobs", type=click.IntRange(1, 1024), help="Compilers at the same time. Default: one a core.")
@pass_session
def build(session: Session, apps: tuple[str, ...], everything: bool, layout: str, jobs: int | None) -> None:
    """Build apps: fetch pinned sources, compile libraries once, link, and put the pages into the pool.

    What was built before is taken from the cache. Images lie in the home under images/LAYOUT/APP.

    \b
    Examples:
      unishare build gzip sql
      unishare build --all --layout default
    """
    if bool(apps) == everything:
        raise click.UsageError("name the apps to build, or give --all")
    from unishare.toolchain.catalog import Catalog

    names = Catalog().app_names() if everything else apps
    for name, manifest in build_apps(session, names, layout, jobs):
        click.echo(f"{name} {manifest}")


def build_apps(
    session: Session, names: Sequence[str], layout: str = DEFAULT_LAYOUT, jobs: int | None = None
) -> list[tuple[str, str]]:
    """Build and pool apps, with progress; their names and manifests."""
    from unishare.pool.store import Pool
    from unishare.toolchain.build import build_app
    from unishare.toolchain.catalog import Catalog

    catalog = Catalog()
    pool = Pool.create(session.settings.pool)
    built = []
    with steps() as step:
        for number, name in enumerate(names):
            step(f"building {name}", number, len(names))
            image = build_app(catalog, name, layout, session.settings, jobs or os.cpu_count() or 1, None)
            pool.add_image(image.folder)
            built.append((name, str(image.folder / "manifest.json")))
        step("built", len(names), len(names))
    return built
