"""`unishare map`: the global map of address windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from unishare.cli.session import Session, bytes_text, json_option, note, pass_session, print_json, print_table

if TYPE_CHECKING:
    from unishare.toolchain.map.frame_space import FrameWindows
    from unishare.toolchain.map.global_map import Windows


@click.command("map")
@click.option("--check", "image", metavar="IMAGE", help="Compare an image's library sections with the map instead.")
@click.option(
    "--forget-unused",
    is_flag=True,
    help="Let libraries that come later have the places in frames of versions that no image has.",
)
@click.option("--dry-run", is_flag=True, help="With --forget-unused: say which, and let them be.")
@json_option
@pass_session
def show_map(session: Session, image: str | None, forget_unused: bool, dry_run: bool, as_json: bool) -> None:
    """Show where every library version lies, the same in all images: addresses for the layout aligned, places in shared frames for aslr.

    \b
    Examples:
      unishare map
      unishare map --check gzip      exit 65 and a list if a library is not where the map says
      unishare map --forget-unused --dry-run
    """
    if (dry_run and not forget_unused) or (image is not None and forget_unused):
        raise click.UsageError("--dry-run goes with --forget-unused, which goes without --check")
    if forget_unused:
        _forget_unused(session, dry_run, as_json)
        return
    if image is not None:
        _check(session, image, as_json)
        return
    from unishare.toolchain.map.global_map import GlobalMap

    state = GlobalMap(session.settings.global_map).state()
    records = [(entry.generation, entry.name, entry.version, entry.digest, _texts(entry.windows)) for entry in state.entries]
    # Places in frames have no generations: they are never used up.
    places = [(None, entry.name, entry.version, entry.digest, _texts(entry.windows)) for entry in state.frames.values()]
    if as_json:
        names = ("generation", "library", "version", "hash")
        print_json(
            [
                {
                    **dict(zip(names, head, strict=True)),
                    "windows": {kind: {"address": hex(at), "bytes": size} for kind, at, size in windows},
                }
                for *head, windows in [*records, *places]
            ]
        )
        return
    rows = [
        [generation or "-", name, version, digest[:12], kind, f"{at:#010x}", bytes_text(size)]
        for generation, name, version, digest, windows in [*records, *places]
        for kind, at, size in windows
    ]
    print_table(["gen#", "library", "version", "hash", "kind", "address", "size#"], rows, title="global map")
    click.echo(
        "text, rodata, data, bss: addresses; linkage, writable: bytes from the start of the frames that libraries share under aslr"
    )


def _forget_unused(session: Session, dry_run: bool, as_json: bool) -> None:
    from unishare.pool.store import Pool
    from unishare.toolchain.map.global_map import GlobalMap

    images = Pool.open(session.settings.pool).images()
    needed = {module.hash for image in images for module in (*image.manifest.libraries, *(image.manifest.modules or ()))}
    known = GlobalMap(session.settings.global_map)
    gone = known.unused(needed) if dry_run else known.forget(needed)
    size = sum(window.size for entry in gone for window in entry.windows.values())
    if as_json:
        named = [{"library": entry.name, "version": entry.version, "hash": entry.digest} for entry in gone]
        print_json({"forgotten": named, "bytes": size})
        return
    for entry in gone:
        click.echo(f"{entry.name} {entry.version} {entry.digest[:12]}")
    verb = "would be forgotten" if dry_run else "forgotten"
    click.echo(f"{len(gone)} library versions {verb}, {bytes_text(size)} of frames for those that come later")
    if gone and not dry_run:
        note("note: an image of them that is kept elsewhere runs on, and shares less with what is built from now on")


def _texts(windows: Windows | FrameWindows) -> list[tuple[str, int, int]]:
    """Kind, address and bytes of each window."""
    return [(kind.value, window.address, window.size) for kind, window in windows.items()]


def _check(session: Session, image: str, as_json: bool) -> None:
    from unishare.errors import BadInputError
    from unishare.fleet.references import resolve
    from unishare.toolchain.map.check import agreement
    from unishare.toolchain.map.global_map import GlobalMap

    reference = resolve(image, session.settings)
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
            f"Build it again: unishare build {reference.name}",
        )
