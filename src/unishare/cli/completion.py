"""`unishare completion`: the script that a shell needs to complete commands, options and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a shell's completion script.

    \b
    Examples:
      source <(unishare completion bash)
      unishare completion zsh > ~/.zfunc/_unishare
      unishare completion fish > ~/.config/fish/completions/unishare.fish
    """
    from unishare.cli.commands import cli
    from unishare.cli.failures import COMPLETION_VARIABLE

    complete = get_completion_class(shell)
    assert complete is not None, "click knows the three shells of the choice"
    click.echo(complete(cli, {}, "unishare", COMPLETION_VARIABLE).source())
