"""`unishare schema`: the published JSON Schema of a file format."""

from __future__ import annotations

import click

from unishare.cli.session import print_json


@click.command()
@click.argument("format", type=click.Choice(["manifest"]))
def schema(format: str) -> None:
    """Print the JSON Schema of a file format.

    \b
    Example:
      unishare schema manifest > manifest.schema.json
    """
    from unishare.pool.manifest import Manifest

    print_json(Manifest.model_json_schema(by_alias=True))
