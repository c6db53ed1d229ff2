"""`unishare map`: the global map of address windows."""

from __future__ import annotations

import click

from unishare.cli.session import Session, bytes_text, json_option, note, pass_session, print_json, print_table


@click.command("map")
@click.option("--check", "image", metavar="IMAGE", help="Compare an image's library sections with the map instead.")
@json_option
@pass_session
def show_map(session: Session, image: str | None, as_json: bool) -> None:
    """Show which addresses every library version has, the same in all aligned images.

    \b
    Examples:
      unishare map
      unishare map --check gzip      exit 65 and a list if a library is not where the map says
    """
    from unishare.toolchain.global_map import GlobalMap

    if image is not None:
        _check(session, image, as_json)
        return
    entries = GlobalMap(session.settings.global_map).state().entries
    if as_json:
        print_json(
            [
                {
                    "generation": entry.generation,
                    "library": entry.name,
                    "version": entry.version,
                    "hash": entry.digest,
                    "windows": {kind: {"address": hex(one.address), "bytes": one.size} for kind, one in entry.windows.items()},
                }
                for entry in entries
            ]
        )
        return
    rows = [
        [entry.generation, entry.name, entry.version, entry.digest[:12], kind, f"{one.address:#010x}", bytes_text(one.size)]
        for entry in entries
        for kind, one in entry.windows.items()
    ]
    print_table(["gen#", "library", "version", "hash", "kind", "address", "size#"], rows, title="global map")


def _check(session: Session, image: str, as_json: bool) -> None:
    from unishare.errors import BadInputError
    from unishare.fleet.image import resolve
    from unishare.toolchain.global_map import GlobalMap
    from unishare.toolchain.map_check import LAYOUT, agreement

    # The map is about one layout, whichever is the default.
    named = image if ":" in image or "/" in image else f"{LAYOUT}:{image}"
    reference = resolve(named, session.settings)
    state = GlobalMap(session.settings.global_map).state()
    found = agreement(reference.folder, state)
    if as_json:
        print_json(
            {
                "image": reference.name, "generation": found.generation, "newest_generation": state.generation,
                "differences": found.differences,
            }
        )  # fmt: skip
    elif not found.differences:
        click.echo(f"{reference.name}: every library is where generation {found.generation} of the map says")
        if found.generation != state.generation:
            note(
                f"note: the map is in generation {state.generation}: the image runs on, but shares nothing with newer ones until it is built again"
            )
    if found.differences:
        raise BadInputError(
            f"{reference.name} does not agree with the global map:\n" + "\n".join(found.differences[:20]),
            f"Build it again: unishare build {reference.name} --layout {LAYOUT}",
        )
