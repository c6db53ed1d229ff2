"""What every command gets from the options before its name, and the few things that several commands print alike."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from unishare.cli.terminal import printable
from unishare.settings import Settings


@dataclass(frozen=True)
class Session:
    """The home that a command works in."""

    settings: Settings
    debug: bool = False


pass_session = click.make_pass_decorator(Session)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs instead of a table for people.")


def print_json(value: Any) -> None:
    """Machine-readable output on stdout."""
    click.echo(json.dumps(value, indent=2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """A table on stdout; right-aligned where a column's name ends in `#` (the mark is not shown)."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for column in columns:
        number = column.endswith("#")
        table.add_column(column.removesuffix("#"), justify="right" if number else "left", no_wrap=number, overflow="fold")
    for row in rows:
        table.add_row(*(escape(printable(str(cell))) for cell in row))
    # Into a pipe nothing is cut: scripts that read tables anyway should find whole names.
    console = Console(width=None if sys.stdout.isatty() else 160)
    # Written by click, not by rich, which ends the program itself when the reader of a pipe has gone.
    with console.capture() as text:
        console.print(table)
    click.echo(text.get(), nl=False)


def note(text: str) -> None:
    """A remark for people, on stderr."""
    click.echo(printable(text), err=True)


def bytes_text(size: float) -> str:
    """A size as people read it: 4096 -> `4.0 KiB`."""
    for unit in ("B", "KiB", "MiB"):
        if abs(size) < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.2f} GiB"
