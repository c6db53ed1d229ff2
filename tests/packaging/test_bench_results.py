"""`make results`: each file of docs/results has a command there, and every command is one that the command line knows."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from unishare.cli.bench import bench

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = dict(re.findall(r'^    "([a-z-]+): ([^"]+)"$', (ROOT / "packaging" / "bench-results").read_text(), re.MULTILINE))


def test_every_result_can_be_measured_again() -> None:
    kept = {file.stem for file in (ROOT / "docs" / "results").glob("*.json")}
    assert kept and kept <= COMMANDS.keys(), kept - COMMANDS.keys()


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS.keys())
def test_a_command_is_understood(arguments: str) -> None:
    name, *options = arguments.split()
    command = bench.commands[name]
    with click.Context(command) as context:
        assert command.parse_args(context, [*options, "--json"]) == []
