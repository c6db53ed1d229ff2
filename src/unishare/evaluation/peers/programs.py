"""The peers: how each is started, and why one cannot be here. Each reads a line on stdin and answers it on stdout.

A peer is given a folder of its own for what it needs (a program, a container's root). Nothing is installed: what the machine lacks is said.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from unishare.errors import UnishareError

HERE = Path(__file__).parent
UNIFIED = Path("/sys/fs/cgroup/unified")
# The interpreter itself: `python3` may be a script that looks for one, and then its time would be measured.
INTERPRETER = os.path.realpath(sys.executable)
_NODE = "process.stdin.on('data', line => process.stdout.write('hello, ' + line))"
_PYTHON = "import sys\nfor line in sys.stdin:\n    sys.stdout.write('hello, ' + line)\n    sys.stdout.flush()"


@dataclass(frozen=True)
class Peer:
    """`command`: of instance N, when the folder is prepared. `clean`: what ends instance N if closing its stdin does not."""

    name: str
    missing: Callable[[], str | None]
    prepare: Callable[[Path], None]
    command: Callable[[Path, int], list[str]]
    clean: Callable[[Path, int], None] = lambda folder, number: None


def _needs(program: str, package: str) -> Callable[[], str | None]:
    return lambda: None if shutil.which(program) else f"{program} is not installed (Debian: {package})"


def _nothing(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)


def _compile(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["gcc", "-O2", "-static", "-o", str(folder / "server"), str(HERE / "line_server.c")],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise UnishareError(f"the peers' program does not compile: {done.stderr.strip()}")


def _engine() -> Path | None:
    """libwasmtime, as the wheel of PyPI brings it."""
    found = importlib.util.find_spec("wasmtime")
    folders = found.submodule_search_locations if found else None
    return next((file for folder in folders or [] for file in Path(folder).glob("linux-*/_libwasmtime.so")), None)


def _wasmtime_problem() -> str | None:
    return (None if _engine() else "wasmtime is not installed (PyPI: wasmtime)") or _needs("gcc", "gcc")()


def _compile_wasm_host(folder: Path) -> None:
    """An engine a process, without anything else in it."""
    engine = _engine()
    assert engine is not None
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        "gcc",
        "-O2",
        "-o",
        str(folder / "wasm_host"),
        str(HERE / "wasm_host.c"),
        str(engine),
        f"-Wl,-rpath,{engine.parent}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UnishareError(f"the peers' WebAssembly host does not compile: {done.stderr.strip()}")


def _bundle(folder: Path) -> None:
    """An OCI bundle for each instance number is one folder; its root, read-only, is one for all."""
    root = folder / "root"
    root.mkdir(parents=True, exist_ok=True)
    for name in ("dev", "proc", "sys"):
        (root / name).mkdir(exist_ok=True)
    _compile(root)
    config = {
        "ociVersion": "1.0.2",
        "process": {"user": {"uid": 0, "gid": 0}, "args": ["/server"], "env": [], "cwd": "/", "noNewPrivileges": True},
        "root": {"path": "root", "readonly": True},
        "mounts": [],
        "linux": {"namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts", "network")]},
    }
    (folder / "config.json").write_text(json.dumps(config))


def _in_plain_hierarchy(command: list[str]) -> list[str]:
    """crun refuses hosts that have both versions of cgroups mounted: then the second one is hidden from it, in a mount namespace."""
    if not UNIFIED.is_dir():
        return command
    return ["unshare", "--mount", "sh", "-c", f'umount {UNIFIED}; exec "$@"', "sh", *command]


def _container(number: int) -> str:
    return f"unishare-{os.getpid()}-{number}"


def _crun(folder: Path) -> list[str]:
    return ["crun", "--root", str(folder / "state"), "--cgroup-manager", "disabled"]


def _crun_problem() -> str | None:
    if os.geteuid():
        return "containers need root here"
    return _needs("crun", "crun")()


def _end_container(folder: Path, number: int) -> None:
    command = [*_crun(folder), "delete", "--force", _container(number)]
    subprocess.run(_in_plain_hierarchy(command), capture_output=True, check=False)


PEERS = {
    peer.name: peer
    for peer in (
        Peer("static", _needs("gcc", "gcc"), _compile, lambda folder, _: [str(folder / "server")]),
        Peer(
            "crun", _crun_problem, _bundle,
            lambda folder, number: _in_plain_hierarchy(
                [*_crun(folder), "run", "--detach", "--bundle", str(folder), _container(number)]
            ),
            _end_container,
        ),
        Peer(
            "wasmtime", _wasmtime_problem, _compile_wasm_host,
            lambda folder, _: [str(folder / "wasm_host"), str(HERE / "line_server.wat")],
        ),
        Peer("node", _needs("node", "nodejs"), _nothing, lambda _, __: ["node", "-e", _NODE]),
        Peer("python", lambda: None, _nothing, lambda _, __: [INTERPRETER, "-I", "-S", "-c", _PYTHON]),
    )
}  # fmt: skip
