"""`unishare init`: a new function project."""

from __future__ import annotations

from pathlib import Path

import click

from unishare.cli.session import note


@click.command()
@click.argument("folder", metavar="NAME", type=click.Path(path_type=Path))
@click.option(
    "--lang", metavar="LANGUAGE", required=True, help="What it is written in: c, javascript, lua, or one of your own."
)
def init(folder: Path, lang: str) -> None:
    """Make the folder NAME with a function that works, for you to change.

    In it, `unishare build`, `run` and `invoke` need no names. A change of a script compiles nothing.

    \b
    Examples:
      unishare init --lang lua greeter
      cd greeter && unishare build && unishare invoke --data world
    """
    from unishare.toolchain.recipes.catalog import Catalog
    from unishare.toolchain.recipes.template import load, write_project

    catalog = Catalog.from_here()
    language, where = load(catalog, lang)
    write_project(folder.absolute(), where)
    if folder.name in catalog.app_names():
        note(f"note: the catalogue has an app {folder.name} too; what is run by that name is the one built last")
    click.echo(f"{folder}/{language.handler} is yours to change. Next:")
    click.echo(f"  cd {folder} && unishare build && unishare invoke --data world")
