"""`unishare pool`: the store of page runs that images share."""

from __future__ import annotations

from pathlib import Path

import click

from unishare.cli.session import Session, bytes_text, json_option, note, pass_session, print_json, print_table


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

    click.echo(Pool.create(session.settings.pool).add_image(folder))


@pool.command("ls")
@json_option
@pass_session
def list_images(session: Session, as_json: bool) -> None:
    """List the images whose pages the pool holds, and how many of those pages others use too."""
    from unishare.inspect.sharing import summarise
    from unishare.pool.store import Pool

    rows = summarise(Pool.open(session.settings.pool).images())
    if as_json:
        print_json([row.__dict__ for row in rows])
        return
    print_table(
        ["image", "layout", "id", "pages#", "shared with others#"],
        [[row.name, row.layout, row.id, row.pages, f"{row.shared} ({row.shared / row.pages:.0%})"] for row in rows],
    )


@pool.command()
@json_option
@pass_session
def stat(session: Session, as_json: bool) -> None:
    """Count runs and bytes, and what the images would take without sharing."""
    from unishare.pool.store import Pool

    found = Pool.open(session.settings.pool).statistics()
    if as_json:
        print_json(found.__dict__)
        return
    click.echo(f"{found.images} images in {found.runs} runs of {bytes_text(found.bytes)}")
    if found.bytes:
        click.echo(
            f"without sharing: {bytes_text(found.bytes_without_sharing)}, {found.bytes_without_sharing / found.bytes:.1f}x as much"
        )


@pool.command()
@json_option
@pass_session
def verify(session: Session, as_json: bool) -> None:
    """Hash every run again. Exit 65 and a list of images to rebuild if one is damaged: a build puts back what is."""
    from unishare.errors import BadInputError
    from unishare.pool.store import Pool

    opened = Pool.open(session.settings.pool)
    damaged = list(opened.damaged())
    images = [image.manifest for image in opened.images()]
    users = {
        run: sorted({(manifest.layout, manifest.name) for manifest in images if run in manifest.runs}) for run, _ in damaged
    }
    names = {run: [f"{layout}:{name}" for layout, name in found] for run, found in users.items()}
    snapshotted = set()
    for found in opened.snapshots():
        for run in names.keys() & found.snapshot.runs:
            names[run].append(str(found.file))
            snapshotted.add(str(found.file.parent.parent))
    if as_json:
        print_json([{"run": run, "reason": reason, "images": names[run]} for run, reason in damaged])
    elif not damaged:
        click.echo(f"{len(opened.runs())} runs are good")
    if damaged:
        lines = [f"{opened.run_file(run)}: {reason}; used by {', '.join(names[run]) or 'no image'}" for run, reason in damaged]
        raise BadInputError("\n".join(lines), _remedy({user for found in users.values() for user in found}, snapshotted))


def _remedy(users: set[tuple[str, str]], snapshotted: set[str]) -> str:
    if not users and snapshotted:
        return f"take again: {' && '.join(f'unishare snapshot {folder}' for folder in sorted(snapshotted))}"
    if not users:
        return "nothing is lost: no image uses them, and 'unishare pool gc' removes them"
    commands = []
    for layout in sorted({layout for layout, _ in users}):
        names = " ".join(sorted(name for other, name in users if other == layout))
        commands.append(f"unishare build --layout {layout} {names}")
    return f"build again, which puts them back: {' && '.join(commands)}"


@pool.command()
@click.option("--even-if-empty", is_flag=True, help="Also when the home holds no image at all any more.")
@pass_session
def gc(session: Session, even_if_empty: bool) -> None:
    """Free what no image uses: images whose folder was removed or rebuilt, then runs that no image names.

    An image lives as long as a folder below the home's images holds its manifest, wherever the home itself was moved or copied to. One that
    `pool add` took from outside the home lives until `pool forget`. Instances that run keep their pages until they end.

    \b
    Examples:
      unishare pool gc
      unishare pool gc --even-if-empty     all images were removed on purpose
    """
    from unishare.pool.store import Pool

    opened = Pool.open(session.settings.pool)
    images, freed = opened.collect(even_if_home_is_empty=even_if_empty)
    click.echo(f"dropped {images} images, freed {bytes_text(freed)}")
    outside = [image for image in opened.images() if image.outside]
    if outside:
        note(f"note: {len(outside)} images from outside this home are kept; 'unishare pool forget {outside[0].id}' lets one go")


@pool.command()
@click.argument("image", metavar="ID|NAME|FOLDER")
@pass_session
def forget(session: Session, image: str) -> None:
    """Let go of an image that `pool add` took from a folder outside the home; the next `pool gc` frees what only it used.

    \b
    Example:
      unishare pool forget /srv/images/gzip && unishare pool gc
    """
    from unishare.pool.store import Pool

    for gone in Pool.open(session.settings.pool).forget(image):
        click.echo(f"forgot {gone.manifest.name} {gone.id}")
