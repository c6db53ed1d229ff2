"""`unishare pool`: the store of page runs that images share."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from unishare.cli.session import Session, bytes_text, json_option, pass_session, print_json, print_table


@click.group()
def pool() -> None:
    """Look at and tend the pool: the content-addressed store of page runs that images share."""


@pool.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@pass_session
def add(session: Session, folder: Path) -> None:
    """Cut the image in FOLDER (image.elf, image.json) into runs and write its manifest.

    `unishare build` does this by itself.
    """
    from unishare.pool.store import Pool

    Pool.create(session.settings.pool).add_image(folder)
    click.echo(folder / "manifest.json")
