"""`unishare snapshot`: an image as it is when it first waits for a request, to start from."""

from __future__ import annotations

from pathlib import Path

import click

from unishare.cli.numbers import SECONDS
from unishare.cli.options import image_or_own
from unishare.cli.session import Session, json_option, pass_session, print_json
from unishare.errors import UnishareError


@click.command()
@click.argument("image", metavar="[IMAGE]", required=False)
@click.option(
    "--warm",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Let it answer this request first; may be repeated. Its answer's status must be 0.",
)
@click.option(
    "--count",
    type=click.IntRange(0, 256),
    metavar="N",
    help="How many, each at addresses of its own draw; 0 drops those there are. Default: 4 under aslr, else 1.",
)
@click.option(
    "--time-limit",
    type=SECONDS,
    default=10.0,
    show_default=True,
    metavar="S",
    help="Seconds each.",
)
@json_option
@pass_session
def snapshot(
    session: Session, image: str | None, warm: tuple[Path, ...], count: int | None, time_limit: float, as_json: bool
) -> None:
    """Take snapshots of IMAGE, in place of those it has: it runs until it waits for a request, and what it wrote goes into the pool.

    An instance then starts by mapping those pages, without running anything before its request. `run` and `invoke` use a snapshot,
    one at random, unless --fresh is given or the instance differs (--memory, --env, arguments, ...). Nothing of a warm-up request
    may be left in a snapshot: it is searched for, and then refused.

    \b
    Examples:
      unishare snapshot lua
      unishare snapshot gzip --warm report.txt --count 8
    """
    from unishare.fleet.references import resolve
    from unishare.pool import snapshots
    from unishare.pool.store import Pool

    found = resolve(image_or_own(image), session.settings)
    folder = found.manifest.parent
    if count == 0:
        snapshots.remove(folder)
        taken: list[Path] = []
    else:
        pool = Pool.open(session.settings.pool)
        pool.ensure_image(folder)
        requests = [file.read_bytes() for file in warm] or _examples(found.name)
        taken = snapshots.take(pool, folder, count=count, warm=warm, requests=requests, time_limit_s=time_limit)
    if as_json:
        print_json({"name": found.name, "snapshots": [str(file) for file in taken]})
        return
    for file in taken:
        click.echo(str(file))


def _examples(name: str) -> list[bytes]:
    """The requests of an app's examples, if it is an app of the catalogue here."""
    from unishare.fleet.examples import expectations
    from unishare.toolchain.recipes.catalog import Catalog

    try:
        return [example.request for example in expectations(Catalog.from_here().app(name))]
    except UnishareError:
        return []
