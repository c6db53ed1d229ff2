"""Hosts with hardware virtualisation, emulated, each started once for all tests that want it.

UNISHARE_HARDWARE names them, separated by spaces (virtual_machine.py: HOSTS); `make test-hardware` names all. When it is not set, these
tests are skipped, with the reason: on a machine that does much else a run now and then stands still, for a cause that is not found yet
(the emulator's serial line is suspected). What is named must be there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware.guests import GUESTS, project
from hardware.kernel import UnavailableError, kernel
from hardware.virtual_machine import HOSTS, VirtualMachine, missing_programs, virtual_machine
from integration.conftest import bare_home as bare_home
from integration.conftest import build
from unishare.monitor_program import monitor_program
from unishare.settings import Settings
from unishare.toolchain.recipes.catalog import Catalog

LAYOUTS = ("aligned", "aslr")
APPS = tuple(Catalog().app_names())
OWN = ("growing", *(f"hostile-{name}" for name in GUESTS))
NAMED = os.environ.get("UNISHARE_HARDWARE")
CHOSEN = ["amd-v"] if NAMED is None else NAMED.split()


@pytest.fixture(scope="session")
def guests(bare_home: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with the guests that go wrong."""
    folder = tmp_path_factory.mktemp("hardware")
    project(folder)
    build(bare_home, Catalog([folder]), OWN, LAYOUTS)
    return bare_home


@pytest.fixture(scope="session")
def images(guests: Settings) -> Settings:
    """The same home with the catalogue."""
    build(guests, Catalog(), APPS, LAYOUTS)
    return guests


@pytest.fixture(scope="session", params=CHOSEN)
def machine(request: pytest.FixtureRequest) -> Iterator[VirtualMachine]:
    """Each host in turn."""
    if NAMED is None:
        pytest.skip("emulated hosts are tested on demand: UNISHARE_HARDWARE=amd-v, or make test-hardware (docs/hardware.md)")
    host = HOSTS[request.param]
    if (missing := missing_programs(host)) is not None:
        pytest.fail(f"no {host.name} here: {missing}")
    home: Settings = request.getfixturevalue("bare_home")
    try:
        stock = kernel(home.home / "hardware" / "kernel")
    except UnavailableError as error:
        pytest.fail(f"no stock kernel to test with: {error}")
    images: Settings = request.getfixturevalue("images")
    manifests = [images.image_folder(layout, name) / "manifest.json" for layout in LAYOUTS for name in (*APPS, *OWN)]
    with virtual_machine(host, stock, Path(monitor_program()), manifests, images.pool) as running:
        yield running
