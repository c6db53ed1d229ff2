"""`unishare test`: ask apps the examples of their recipes and compare the answers."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from unishare.cli.names import app_argument
from unishare.cli.options import choose_tender, layout_option, milliseconds, tender_option, time_limit_option
from unishare.cli.session import Session, json_option, note, pass_session, print_json
from unishare.errors import UnishareError

if TYPE_CHECKING:
    from unishare.fleet.messages import StartRequest, Tender
    from unishare.toolchain.recipes.recipe import AppRecipe

DEFAULT_LIMIT_S = 30.0


@click.command()
@app_argument("apps", metavar="[APP...]", nargs=-1)
@layout_option
@tender_option
@time_limit_option
@json_option
@pass_session
def test(
    session: Session,
    apps: tuple[str, ...],
    layout: str,
    tender: str | None,
    time_limit: float | None,
    as_json: bool,
) -> None:
    """Build apps, ask each of their [[example]]s of a fresh instance, and compare the answers.

    Without APP, in a project folder, the project is tested. The exit code is 1 when an answer was wrong.

    \b
    Examples:
      unishare test
      unishare test gzip json --layout aligned --tender process
    """
    from unishare.cli.build import build_apps, wanted_apps
    from unishare.fleet.messages import StartRequest
    from unishare.toolchain.recipes.catalog import Catalog

    names = wanted_apps(apps, everything=False)
    manifests = dict(build_apps(session, names, layout))
    recipes = [Catalog.from_here().app(name) for name in names]
    for recipe in recipes:
        if not recipe.example:
            note(f"{recipe.name}: its app.toml has no [[example]], so there is nothing to ask")
    chosen: Tender = choose_tender(tender)
    requests = {name: StartRequest(manifest=manifest, tender=chosen) for name, manifest in manifests.items()}
    limit = milliseconds(time_limit or DEFAULT_LIMIT_S) or 1
    results = asyncio.run(_results(session, recipes, requests, limit))
    wrong = [result for result in results if result["problem"]]
    if as_json:
        print_json(results)
    else:
        for result in results:
            click.echo(f"{result['app']} example {result['example']}: {result['problem'] or 'ok'}")
        click.echo(f"{len(results) - len(wrong)} of {len(results)} examples answered right")
    sys.exit(1 if wrong else 0)


async def _results(
    session: Session, recipes: list[AppRecipe], requests: dict[str, StartRequest], limit_ms: int
) -> list[dict[str, object]]:
    """A line for each example: the app, the example's number in its recipe (from 1), and what was wrong, if anything was."""
    from unishare.fleet import launcher
    from unishare.fleet.examples import expectations

    results: list[dict[str, object]] = []
    async with launcher.private(session.settings) as (control, _pid):
        for recipe in recipes:
            for number, expectation in enumerate(expectations(recipe), 1):
                # A fresh instance for each: an example says what a function answers, not what it remembers.
                (started,) = await control.start(requests[recipe.name])
                problem = None
                try:
                    await expectation.check(control, started.instance, limit_ms)
                except UnishareError as error:
                    problem = error.message
                await control.stop(started.instance)
                results.append({"app": recipe.name, "example": number, "problem": problem})
    return results
