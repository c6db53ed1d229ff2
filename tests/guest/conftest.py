"""The guest's C on this machine's processor, and the kernel beside it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from guest.harness import HERE, UNCONFINED, Driver, compile_guest


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both drivers."""
    folder = tmp_path_factory.mktemp("drivers")
    compile_guest(folder / "guest", [HERE / "syscall_driver.c", HERE / "on_guest.c"])
    kernel = ["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-o", folder / "kernel"]
    subprocess.run([*kernel, HERE / "syscall_driver.c", HERE / "on_kernel.c"], check=True)
    return folder


@pytest.fixture
def on_guest(programs: Path, tmp_path: Path) -> Iterator[Driver]:
    """The guest's system calls."""
    driver = Driver([programs / "guest"], tmp_path / "guest.errors")
    yield driver
    driver.close()


@pytest.fixture
def on_kernel(programs: Path, tmp_path: Path) -> Iterator[Driver]:
    """The kernel's, with an empty folder as root; skipped where that takes rights that we do not have."""
    folder = tmp_path / "root"
    folder.mkdir()
    command = [programs / "kernel", folder]
    if os.geteuid() and subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode == UNCONFINED:
        pytest.skip("needs root, or user namespaces")
    driver = Driver(command, tmp_path / "kernel.errors")
    yield driver
    driver.close()
