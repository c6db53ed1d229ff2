"""`unishare version`."""

from __future__ import annotations

import click


def package_version() -> str:
    """The installed package's version."""
    from importlib import metadata

    try:
        return metadata.version("unishare")
    except metadata.PackageNotFoundError:
        return "(not installed)"


@click.command()
def version() -> None:
    """Print the version of the package and where the monitor is."""
    from unishare.errors import UnishareError
    from unishare.monitor_program import monitor_program

    click.echo(f"unishare {package_version()}")
    try:
        click.echo(f"monitor {monitor_program()}")
    except UnishareError as error:
        click.echo(f"monitor missing: {error.message}")
