"""`unishare pool`: the store of page runs that images share."""

from __future__ import annotations

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
    """Hash every run again. Exit 65 and a list of images to rebuild if one is damaged."""
    from unishare.errors import BadInputError
    from unishare.pool.store import Pool

    opened = Pool.open(session.settings.pool)
    damaged = list(opened.damaged())
    users = {run: sorted({one.manifest.name for one in opened.images() if run in one.manifest.runs}) for run, _ in damaged}
    if as_json:
        print_json([{"run": run, "reason": reason, "images": users[run]} for run, reason in damaged])
    elif not damaged:
        click.echo(f"{len(opened.runs())} runs are good")
    if damaged:
        lines = [f"{opened.run_file(run)}: {reason}; used by {', '.join(users[run]) or 'no image'}" for run, reason in damaged]
        names = " ".join(sorted({name for run, _ in damaged for name in users[run]}))
        again = f"build again: unishare build {names}" if names else "nothing is lost: no image uses them"
        raise BadInputError("\n".join(lines), f"Remove these files if they are there; then {again}")


@pool.command()
@pass_session
def gc(session: Session) -> None:
    """Free what no image uses: images whose folder was removed or rebuilt, then runs that no image names.

    Instances that run keep their pages until they end.
    """
    from unishare.pool.store import Pool

    images, freed = Pool.open(session.settings.pool).collect()
    click.echo(f"dropped {images} images, freed {bytes_text(freed)}")
