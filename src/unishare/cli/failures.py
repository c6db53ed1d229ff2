"""The one place where failures become messages and exit codes.

A `UnishareError` is printed as `error:` and `hint:` lines with its own exit code (docs/errors.md). Anything else that escapes
is a defect of ours, said as such, with exit code 70. Signals unwind the stack first, so that children and partial files go.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import traceback
from types import FrameType

import click

from unishare.cli.commands import cli
from unishare.cli.terminal import printable
from unishare.errors import HostLacksError, UnishareError

DEFECT = 70
INTERRUPTED = 130
# Where a shell's completion script asks (click's own protocol).
COMPLETION_VARIABLE = "_UNISHARE_COMPLETE"


def run_and_report() -> int:
    """Run the command line; its exit code. Failures are printed, none escapes."""
    _open_standard_streams()
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # not under nohup
        signal.signal(signal.SIGHUP, _terminate)
    debug = "--debug" in sys.argv
    try:
        return run_command()
    except UnishareError as error:
        if debug:
            traceback.print_exc()
        _say(error.message, error.hint)
        code = error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = error.exit_code
    except click.ClickException as error:
        path = None
        if isinstance(error, click.UsageError):  # what its parser finds, click tells without the command
            path = error.ctx.command_path if error.ctx else "unishare"
        _say(error.format_message(), f"see '{path} --help'" if path else None)
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        code = INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): nothing to say, and nowhere to say it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + signal.SIGPIPE
    except MemoryError:
        if debug:
            traceback.print_exc()
        _say(
            "there is not enough memory for this command", "give it more: 'ulimit -v', or the limit of its cgroup or container"
        )
        code = HostLacksError.exit_code
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
    return code


def run_command() -> int:
    """Run the command that `sys.argv` asks for; its exit code."""
    # Not cli.main(): that has exit codes of its own for broken pipes and interrupts. What it does beside is done here.
    if instruction := os.environ.get(COMPLETION_VARIABLE):
        from click.shell_completion import shell_complete

        return shell_complete(cli, {}, "unishare", COMPLETION_VARIABLE, instruction)
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
    # File names, recipes, ELF symbols and what programs said are in it.
    click.echo(f"error: {printable(message)}", err=True)
    if hint:
        click.echo(f"hint: {printable(hint)}", err=True)


def _terminate(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)
