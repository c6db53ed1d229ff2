"""`unishare schema`: the published JSON Schema of a file format."""

from __future__ import annotations

import click

from unishare.cli.session import print_json

FORMATS = ("manifest", "snapshot", "image", "library", "app", "language")


@click.command()
@click.argument("format", type=click.Choice(FORMATS))
def schema(format: str) -> None:
    """Print the JSON Schema of a file format.

    \b
    manifest   manifest.json, an image's description file
    snapshot   snapshots/N.json, an image as it first waited for a request
    image      image.json, what the linker hands to the pool
    library    libraries/NAME.toml
    app        app.toml
    language   languages/NAME/language.toml

    \b
    Example:
      unishare schema manifest > manifest.schema.json
    """
    from pydantic import BaseModel

    from unishare.formats.image import ImageFacts
    from unishare.formats.manifest import Manifest
    from unishare.formats.snapshot import Snapshot
    from unishare.toolchain.recipes.recipe import AppRecipe, LibraryRecipe
    from unishare.toolchain.recipes.template import LanguageTemplate

    models: dict[str, type[BaseModel]] = dict(
        zip(FORMATS, (Manifest, Snapshot, ImageFacts, LibraryRecipe, AppRecipe, LanguageTemplate), strict=True)
    )
    print_json(models[format].model_json_schema(by_alias=True))
