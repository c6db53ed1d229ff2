"""`unishare catalog`: which apps and libraries there are."""

from __future__ import annotations

import click

from unishare.cli.session import Session, json_option, pass_session, print_json, print_table


@click.command()
@json_option
@pass_session
def catalog(session: Session, as_json: bool) -> None:
    """List the apps that can be built and the libraries they stand on.

    \b
    Examples:
      unishare catalog
      unishare catalog --json | jq -r '.apps[].name'
    """
    from unishare.toolchain.recipes.catalog import Catalog

    known = Catalog.from_here()
    apps = [
        {
            "name": app.name,
            "summary": app.summary,
            "libraries": app.libraries,
            "built": sorted(
                folder.parent.parent.name for folder in session.settings.images.glob(f"*/{app.name}/manifest.json")
            ),
        }
        for app in known.apps()
    ]
    libraries = [
        {"name": library.name, "version": library.version, "license": library.license, "summary": library.summary}
        for library in known.libraries()
    ]
    if as_json:
        print_json({"apps": apps, "libraries": libraries})
        return
    print_table(
        ["app", "what it does", "libraries", "built as"],
        [[app["name"], app["summary"], " ".join(app["libraries"]), " ".join(app["built"]) or "-"] for app in apps],
    )
    print_table(["library", "version", "licence", "what it is"], [list(library.values()) for library in libraries])
