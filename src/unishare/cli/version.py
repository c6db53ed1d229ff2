"""`unishare version`."""

from __future__ import annotations

import click


@click.command()
def version() -> None:
    """Print the version of the package and where the monitor is."""
    from importlib import metadata

    from unishare.errors import UnishareError
    from unishare.monitor_program import monitor_program

    try:
        number = metadata.version("unishare")
    except metadata.PackageNotFoundError:
        number = "(not installed)"
    click.echo(f"unishare {number}")
    try:
        click.echo(f"monitor {monitor_program()}")
    except UnishareError as error:
        click.echo(f"monitor missing: {error.message}")
