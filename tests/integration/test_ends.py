"""However a command ends, it leaves no process, no socket and no half-made file; and what others left does not stop it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.conftest import build, default_signals
from unishare.settings import Settings
from unishare.toolchain.recipes.catalog import Catalog


@pytest.fixture
def place(home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home with the built images of the tests' own, and a run folder for itself."""
    build(home, Catalog(), ("hello",), ("aligned",))
    monkeypatch.chdir(tmp_path)  # tests that bind a socket change it: pytest's folders can be deeper than an address is long
    for name in ("images", "pool", "objects", "sources", "global.map"):
        (tmp_path / name).symlink_to(home.home / name)
    yield tmp_path
    unishare(tmp_path, "stop", "--all")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "unishare", *arguments]


def environment(place: Path) -> dict[str, str]:
    return {**os.environ, "UNISHARE_HOME": str(place)}


def unishare(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), env=environment(place), capture_output=True, text=True, check=False, timeout=100, stdin=subprocess.DEVNULL
    )  # fmt: skip


def processes(place: Path) -> list[str]:
    """The command lines of all processes that work in the home."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(place) in line:
                found.append(line)
    return found


def leftovers(place: Path) -> list[str]:
    return [str(path) for path in (place / "run").rglob("*") if not path.is_dir() and path.suffix not in (".lock", ".log")]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("arguments", [["demo", "-n", "60"], ["run", "hello", "-n", "5"], ["bench", "memory", "-n", "60"]])
def test_a_signal_ends_all_that_a_command_started(place: Path, arguments: list[str], sent: signal.Signals, code: int) -> None:
    with subprocess.Popen(
        command(*arguments), env=environment(place), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, process_group=0, preexec_fn=default_signals,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 60
        while len(processes(place)) < 3 and time.monotonic() < deadline:  # the launcher, and instances
            time.sleep(0.02)
        process.send_signal(sent)
        said = process.communicate(timeout=60)[0]
    assert process.returncode == code, said
    assert "Traceback" not in said
    assert processes(place) == []
    assert leftovers(place) == []
    assert not list((place / "run").glob("private-*"))


def test_a_start_that_fails_leaves_no_launcher(place: Path, tmp_path: Path) -> None:
    manifest = json.loads((place / "images" / "aligned" / "hello" / "manifest.json").read_text())
    manifest["extents"][0]["run"] = "0" * 64
    (tmp_path / "lies.json").write_text(json.dumps(manifest))
    done = unishare(place, "run", str(tmp_path / "lies.json"), "--detach")
    assert done.returncode == 65 and "is missing" in done.stderr
    assert processes(place) == []
    assert leftovers(place) == []


def test_a_launcher_that_was_killed_is_replaced(place: Path) -> None:
    assert unishare(place, "run", "hello", "--detach").returncode == 0
    (launcher,) = json.loads(unishare(place, "ps", "--json").stdout)
    parent = int(Path(f"/proc/{launcher['pid']}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(parent, signal.SIGKILL)
    while processes(place):
        time.sleep(0.02)
    assert json.loads(unishare(place, "ps", "--json").stdout) == []
    assert unishare(place, "run", "hello", "--detach").stdout == "hello-1\n"


def test_an_instance_that_failed_is_started_again_for_a_request(place: Path) -> None:
    assert "--detach" in unishare(place, "run", "hello", "--restart").stderr
    assert unishare(place, "run", "hello", "--detach", "--restart").returncode == 0
    (before,) = json.loads(unishare(place, "ps", "--json").stdout)
    os.kill(before["pid"], signal.SIGKILL)
    while json.loads(unishare(place, "ps", "--json").stdout)[0]["state"] != "exited":
        time.sleep(0.02)
    assert unishare(place, "invoke", "hello-1", "--data", "you").returncode == 0
    (after,) = json.loads(unishare(place, "ps", "--json").stdout)
    assert (after["restarts"], after["pid"] != before["pid"]) == (1, True)
    assert "restarts" in unishare(place, "ps").stdout


@pytest.mark.parametrize("kind", ["stale", "file"])
def test_a_socket_that_nobody_answers_is_replaced(place: Path, kind: str) -> None:
    (place / "run").mkdir()
    name = place / "run" / "launcher.sock"
    if kind == "file":
        name.touch()
    else:
        with socket.socket(socket.AF_UNIX) as stale:
            os.chdir(place / "run")
            stale.bind("launcher.sock")
    assert unishare(place, "run", "hello", "--detach").stdout == "hello-1\n"


def test_what_is_no_launcher_is_said_to_be_none(place: Path) -> None:
    (place / "run").mkdir()
    os.chdir(place / "run")
    with socket.socket(socket.AF_UNIX) as foreign:
        foreign.bind("launcher.sock")
        foreign.listen()
        with subprocess.Popen(
            command("ps"), env=environment(place), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as asking:
            connection, _ = foreign.accept()
            connection.recv(100)
            connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
            said = asking.communicate(timeout=60)[0]
            connection.close()
    assert asking.returncode == 69
    assert "no launcher of this version" in said
