"""The top-level command and the table of all commands. A command's module is loaded when it is asked for, so that each starts fast."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import click

from unishare.cli.session import Session
from unishare.settings import Settings

# What a user types, and where it is: a module of this package and its attribute.
COMMANDS = {
    "init": "init:init",
    "build": "build:build",
    "snapshot": "snapshot:snapshot",
    "run": "run:run",
    "invoke": "invoke:invoke",
    "test": "test:test",
    "ps": "instances:ps",
    "logs": "logs:logs",
    "stop": "instances:stop",
    "crash": "instances:crash",
    "gdb": "gdb:gdb",
    "inspect": "inspect:inspect",
    "sizes": "inspect:sizes",
    "analyze": "analyze:analyze",
    "library": "library:library",
    "map": "map:show_map",
    "pool": "pool:pool",
    "cache": "cache:cache",
    "doctor": "doctor:doctor",
    "catalog": "catalog:catalog",
    "schema": "schema:schema",
    "population": "population:population",
    "bench": "bench:bench",
    "evaluate": "evaluate:evaluate",
    "demo": "demo:demo",
    "completion": "completion:completion",
    "version": "version:version",
}

EPILOG = """\b
First steps:
  unishare doctor                          what this machine offers
  unishare build gzip                      upstream sources -> image -> pool
  unishare invoke gzip --data hello        start one, ask it, stop it
  unishare run gzip -n 100 --detach        a hundred that share their pages
  unishare ps
"""


class Commands(click.Group):
    """A group whose commands are loaded one by one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(f"unishare.cli.{module}"), attribute)
        return command


def _print_version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from unishare.cli.version import package_version

        click.echo(f"unishare {package_version()}")
        context.exit()


class HomeFolder(click.Path):
    """A folder with a name: an empty one, of a variable that is not set, would be the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse an empty name."""
        if value == "":
            self.fail("it is empty", param, ctx)
        return super().convert(value, param, ctx)


@click.command(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--home",
    type=HomeFolder(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep sources, objects, pool, images and sockets in DIR instead of $UNISHARE_HOME.",
)
@click.option("--debug", is_flag=True, help="Show tracebacks of failures.")
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version.")
@click.pass_context
def cli(context: click.Context, home: Path | None, debug: bool) -> None:
    """Build unikernels so that equal libraries are equal pages, and run them so that each page is in memory once."""
    context.obj = Session(Settings(home.absolute()) if home else Settings.from_environment(), debug)
