"""`unishare cache`: what the home keeps only to build faster."""

from __future__ import annotations

import click

from unishare.cli.numbers import MOST_DAYS, NumberRange
from unishare.cli.session import Session, bytes_text, json_option, pass_session, print_json


@click.group()
def cache() -> None:
    """Look at and prune what a home keeps only to build faster: objects, archives, unpacked sources."""


@cache.command()
@click.option("--older-than", "days", type=NumberRange(min=0, max=MOST_DAYS), default=30.0, show_default=True, metavar="DAYS")
@click.option("--dry-run", is_flag=True, help="Say what would go, and let it be.")
@json_option
@pass_session
def prune(session: Session, days: float, dry_run: bool, as_json: bool) -> None:
    """Remove cached objects and source trees that no build has used for DAYS, and what interrupted builds left behind.

    Images, the pool and the global map stay: the next build makes again what it needs, at the same addresses.

    \b
    Examples:
      unishare cache prune
      unishare cache prune --older-than 0 --dry-run
    """
    from unishare.toolchain.objects.prune import prune_cache

    removed = prune_cache(session.settings, days, dry_run=dry_run)
    if as_json:
        print_json({"removed": [str(entry.path) for entry in removed], "bytes": sum(entry.size for entry in removed)})
        return
    verb = "would be removed" if dry_run else "removed"
    click.echo(f"{len(removed)} entries {verb}, {bytes_text(sum(entry.size for entry in removed))}")
