"""`unishare analyze`: what pages of any programs have in common, and what alignment would save."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from unishare.cli.session import bytes_text, json_option, note, pass_session, print_json, print_table

if TYPE_CHECKING:
    from unishare.cli.session import Session
    from unishare.inspect.page_equality import Counts

SHOWN = 20


@click.command()
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "-n",
    "--instances",
    type=click.IntRange(1, 1_000_000),
    default=1000,
    show_default=True,
    help="Of each file, for what they would take.",
)
@click.option(
    "--link-map", "maps", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="MAP",
    help="The link map (ld -Map) of the first FILE, and so on: names its libraries.",
)  # fmt: skip
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), metavar="PNG", help="Draw all pages.")
@json_option
@pass_session
def analyze(
    _session: Session, files: tuple[Path, ...], instances: int, maps: tuple[Path, ...], picture: Path | None, as_json: bool
) -> None:
    """Compare the pages of FILES: static programs, unikernels, kernels for x86-64 (ELF), or raw memory dumps.

    Counts pages that another file has too: equal, equal at the same address, equal after relocated fields are ignored, zeros; and what
    many instances would take unshared, under ideal page merging, and if their libraries were aligned.

    \b
    Examples:
      unishare analyze a.elf b.elf
      unishare analyze kernel-one kernel-two --link-map one.map --link-map two.map --picture pages.png
      unishare analyze dump.bin --json
    """
    from unishare.inspect.link_map import read_link_map
    from unishare.inspect.memory_image import read_image
    from unishare.inspect.page_equality import compare

    if len(maps) > len(files):
        raise click.UsageError("more link maps than files")
    ranges = [read_link_map(file) for file in maps] + [None] * (len(files) - len(maps))
    images = [read_image(file, libraries) for file, libraries in zip(files, ranges, strict=True)]
    names = [image.name for image in images]
    for file, image in zip(files, images, strict=True):
        if names.count(image.name) > 1:
            image.name = str(file)
    if len({image.name for image in images}) < len(images):
        raise click.UsageError("the same file twice: it is equal to itself")
    result = compare(images, instances)
    if picture:
        from unishare.inspect.page_picture import draw_pages

        draw_pages(result.classes, picture)
    if as_json:
        print_json(result.to_json())
        return
    _print("file", result.files)
    _print("section", result.sections)
    if set(result.libraries) != {"(unknown)"}:
        _print("library", result.libraries)
    needs = result.needs
    print_table(
        ["memory of so many of each, as they are before they run", "bytes#", "of unshared#"],
        [
            (words, bytes_text(size), f"{size / needs.unshared:.4f}")
            for words, size in (
                (f"unshared, {needs.instances} of each", needs.unshared),
                ("ideal merging: each content once", needs.ideal_ksm),
                ("if aligned: each library once", needs.aligned),
            )
        ],
    )
    if result.guessed:
        note(f"note: no relocation records in {', '.join(result.guessed)}: fields are guessed (ld --emit-relocs keeps records)")
    if picture:
        click.echo(f"picture: {picture}")


def _print(what: str, counts: Mapping[str, Counts]) -> None:
    rows = sorted(counts.items(), key=lambda row: -row[1].pages)
    print_table(
        [what, "pages#", "zero#", "equal#", "at the same address#", "equal but for fields#", "nowhere else#"],
        [
            (
                name,
                count.pages,
                count.zero,
                count.equal,
                count.same_address,
                count.masked,
                count.pages - count.zero - count.masked,
            )
            for name, count in rows[:SHOWN]
        ],
    )
    if len(rows) > SHOWN:
        note(f"the {SHOWN} largest of {len(rows)} are shown; --json has all")
