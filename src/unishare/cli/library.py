"""`unishare library`: work on libraries of one's own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from unishare.cli.progress import steps
from unishare.cli.session import Session, bytes_text, json_option, pass_session, print_json, print_table
from unishare.formats.layouts import DEFAULT_LAYOUT, LayoutName

if TYPE_CHECKING:
    from unishare.inspect.library_check import LibraryReport
    from unishare.toolchain.recipes.catalog import Catalog
    from unishare.toolchain.recipes.recipe import LibraryRecipe


@click.group()
def library() -> None:
    """Work on libraries of your own."""


@library.command()
@click.argument("library", metavar="NAME|RECIPE")
@click.option(
    "--layout",
    type=click.Choice(["aslr", "aligned"]),
    default=DEFAULT_LAYOUT,
    show_default=True,
    help="Judge it for images of this layout.",
)
@json_option
@pass_session
def check(session: Session, library: str, layout: LayoutName, as_json: bool) -> None:
    """Build one library in isolation and list what breaks linking or spoils sharing, each with the remedy.

    It is compiled as images of the layout hold it, which a build then takes from the cache. It is compared with the libraries it needs, and with those of the catalogue that were compiled before. Exit 0: its pages are
    the same in all images. Exit 1: something is to be done.

    \b
    Examples:
      unishare library check zlib
      unishare library check libraries/mine.toml --json
      unishare library check zlib --layout aligned       what spoils sharing where addresses are fixed
    """
    from unishare.inspect.library_check import check as check_library
    from unishare.toolchain.build import Builder

    catalog, recipe = _find(library)
    with steps() as step, Builder(catalog, session.settings, os.cpu_count() or 1, step) as builder:
        report = check_library(catalog, builder, recipe, layout)
    if as_json:
        print_json({**report.model_dump(mode="json"), "clean": report.clean})
    else:
        _print(report)
    if not report.clean:
        sys.exit(1)


def _find(library: str) -> tuple[Catalog, LibraryRecipe]:
    """A recipe by name or file; a file's neighbours are found before the catalogue's libraries."""
    from unishare.toolchain.recipes.catalog import Catalog
    from unishare.toolchain.recipes.reading import load_library

    if library.endswith(".toml") or os.sep in library:
        file = Path(library).absolute()
        recipe = load_library(file)
        return Catalog([file.parent.parent] if file.parent.name == "libraries" else [Path.cwd()]), recipe
    catalog = Catalog.from_here()
    return catalog, catalog.library(library)


def _print(report: LibraryReport) -> None:
    from unishare.inspect.library_findings import abridged

    sizes = ", ".join(f"{kind} {bytes_text(size)}" for kind, size in report.windows.items())
    click.echo(f"{report.name} {report.version} ({report.hash[:16]}): {sizes}")
    for name, symbols in report.uses.items():
        click.echo(f"  from {name}: {abridged(symbols)}")
    if report.findings:
        print_table(
            ["effect", "what", "where", "why", "remedy"],
            [
                [finding.effect, finding.kind, abridged(finding.subjects), finding.detail, finding.remedy]
                for finding in report.findings
            ],
        )
    serious = sum(len(finding.subjects) for finding in report.findings if finding.effect != "note")
    found = f"{serious} to be mended" if serious else "nothing breaks linking or sharing"
    others = f", and with {len(report.compared)} others that were compiled before" if report.compared else ""
    click.echo(f"{report.name}: {found} (compared with what it needs{others})")
