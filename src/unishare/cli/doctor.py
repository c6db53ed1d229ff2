"""`unishare doctor`: what this host offers and what is missing."""

from __future__ import annotations

import dataclasses
import sys

import click

from unishare.cli.session import json_option, print_json, print_table

HOST_LACKS = 69


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Check what this host offers: virtualisation, rights, tools, limits; with the remedy where something is missing.

    Exits 0 when functions can be built and run here (perhaps only under the process tender), 69 when not.
    """
    from unishare.host.doctor import check_host

    checks = check_host()
    fit = not any(check.state == "missing" for check in checks)
    if as_json:
        print_json({"fit": fit, "checks": [dataclasses.asdict(check) for check in checks]})
    else:
        print_table(
            ["check", "state", "found", "why it matters"],
            [[check.name, check.state, check.found, check.matters] for check in checks],
        )
        for check in checks:
            if check.remedy:
                click.echo(f"{check.name}: {check.remedy}")
    if not fit:
        sys.exit(HOST_LACKS)
