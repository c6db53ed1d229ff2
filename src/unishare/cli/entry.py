"""The console script: the top-level command, and the one place where failures become messages and exit codes.

A `UnishareError` is printed as `error:` and `hint:` lines with its own exit code (docs/errors.md). Anything else that escapes
is a defect of ours, said as such, with exit code 70. Signals unwind the stack first, so that children and partial files go.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from unishare.cli import (
    bench,
    build,
    catalog,
    demo,
    doctor,
    gdb,
    init,
    inspect,
    instances,
    invoke,
    library,
    map,
    pool,
    population,
    run,
    schema,
    snapshot,
    version,
)
from unishare.cli.session import Session
from unishare.errors import UnishareError
from unishare.settings import Settings

DEFECT = 70
INTERRUPTED = 130

EPILOG = """\b
First steps:
  unishare doctor                          what this machine offers
  unishare build gzip                      upstream sources -> image -> pool
  unishare invoke gzip --data hello        start one, ask it, stop it
  unishare run gzip -n 100 --detach        a hundred that share their pages
  unishare ps
"""


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep sources, objects, pool, images and sockets in DIR instead of $UNISHARE_HOME.",
)
@click.option("--debug", is_flag=True, help="Show tracebacks of failures.")
@click.pass_context
def cli(context: click.Context, home: Path | None, debug: bool) -> None:
    """Build unikernels so that equal libraries are equal pages, and run them so that each page is in memory once."""
    context.obj = Session(Settings(home.absolute()) if home else Settings.from_environment(), debug)


for command in (
    init.init,
    build.build,
    snapshot.snapshot,
    run.run,
    invoke.invoke,
    instances.ps,
    instances.logs,
    instances.stop,
    instances.crash,
    gdb.gdb,
    inspect.inspect,
    inspect.sizes,
    library.library,
    map.show_map,
    pool.pool,
    doctor.doctor,
    catalog.catalog,
    schema.schema,
    population.population,
    bench.bench,
    demo.demo,
    version.version,
):
    cli.add_command(command)


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    _open_standard_streams()
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # not under nohup
        signal.signal(signal.SIGHUP, _terminate)
    debug = "--debug" in sys.argv
    try:
        sys.exit(run_command())
    except UnishareError as error:
        if debug:
            traceback.print_exc()
        _say(error.message, error.hint)
        code = error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = error.exit_code
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        _say(error.format_message(), f"see '{context.command_path} --help'" if context else None)
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        code = INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): nothing to say, and nowhere to say it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + signal.SIGPIPE
    except OSError as error:
        if debug:
            traceback.print_exc()
        where = f"{error.filename}: " if error.filename else ""
        _say(f"{where}{error.strerror or error}", "check the path, the rights and the space left there")
        code = 74
    except Exception as error:
        if debug:
            traceback.print_exc()
        _say(
            f"a defect of unishare: {type(error).__name__}: {error}",
            "run the command again with --debug and report what it prints",
        )
        code = DEFECT
    sys.exit(code)


def run_command() -> int:
    """Run the command that `sys.argv` asks for; its exit code."""
    # Not cli.main(): that has exit codes of its own for broken pipes and interrupts.
    try:
        with cli.make_context("unishare", sys.argv[1:]) as context:
            result = cli.invoke(context)
    except click.exceptions.Exit as ended:
        result = ended.exit_code
    sys.stdout.flush()
    return result if isinstance(result, int) else 0


def _open_standard_streams() -> None:
    """Give a command that was started with closed streams (`>&-`) empty ones: a file that it opens must not get their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    # Names that are no UTF-8 are printed as the bytes that they are.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="surrogateescape")
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def _say(message: str, hint: str | None) -> None:
    click.echo(f"error: {message}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)


def _terminate(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)
