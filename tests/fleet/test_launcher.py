"""Finding the home's launcher again, also after it was killed."""

from __future__ import annotations

import asyncio
import socket

import pytest
from click.testing import CliRunner
from filelock import FileLock

from unishare.cli.commands import cli
from unishare.errors import NotFoundError
from unishare.fleet import launcher
from unishare.settings import Settings


@pytest.fixture
def refusing(settings: Settings) -> Settings:
    """A home whose launcher was killed, or is just starting: a socket is there, and nobody listens."""
    settings.run.mkdir(parents=True)
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(str(settings.run / launcher.SOCKET))
    bound.close()
    return settings


def test_looking_takes_no_socket_away(refusing: Settings) -> None:
    with FileLock(refusing.run / "launcher.lock"):
        # Another command is starting a launcher: its socket must survive whoever looks meanwhile.
        assert asyncio.run(launcher.running_or_none(refusing)) is None
        assert CliRunner().invoke(cli, ["--home", str(refusing.home), "ps"], catch_exceptions=False).exit_code == 0
        assert (refusing.run / launcher.SOCKET).exists()


def test_a_killed_launcher_is_told_from_none(refusing: Settings) -> None:
    with pytest.raises(NotFoundError, match="was killed, and its instances ended with it"):
        asyncio.run(launcher.running(refusing))
    shown = CliRunner().invoke(cli, ["--home", str(refusing.home), "ps"], catch_exceptions=False)
    assert "the launcher was killed" in shown.stderr
    (refusing.run / launcher.SOCKET).unlink()
    with pytest.raises(NotFoundError, match="no instance is running in this home"):
        asyncio.run(launcher.running(refusing))
