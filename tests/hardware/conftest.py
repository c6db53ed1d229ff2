"""Hosts with hardware virtualisation, emulated, each started once for all tests that want it.

UNISHARE_HARDWARE names them, separated by spaces (virtual_machine.py: HOSTS); `make test-hardware` names all. None when it is not
set: these tests are skipped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware.guests import GUESTS, project
from hardware.kernel import UnavailableError, kernel
from hardware.virtual_machine import HOSTS, VirtualMachine, missing_programs, virtual_machine
from integration.conftest import ROOT, build
from unishare.monitor_program import monitor_program
from unishare.settings import Settings
from unishare.toolchain.recipes.catalog import Catalog

LAYOUTS = ("aligned", "aslr")
APPS = tuple(Catalog().app_names())
CHOSEN = os.environ.get("UNISHARE_HARDWARE", "").split()


@pytest.fixture(scope="session")
def guests(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with the guests that go wrong."""
    home = Settings(Path(os.environ.get("UNISHARE_HOME", ROOT / ".state")).absolute())
    folder = tmp_path_factory.mktemp("hardware")
    project(folder)
    build(home, Catalog([folder]), tuple(f"hostile-{name}" for name in GUESTS), LAYOUTS)
    return home


@pytest.fixture(scope="session")
def images(guests: Settings) -> Settings:
    """The same home with the catalogue."""
    build(guests, Catalog(), APPS, LAYOUTS)
    return guests


@pytest.fixture(scope="session", params=CHOSEN)
def machine(request: pytest.FixtureRequest, images: Settings) -> Iterator[VirtualMachine]:
    """Each host in turn."""
    host = HOSTS[request.param]
    if (missing := missing_programs(host)) is not None:
        pytest.skip(f"no {host.name} here: {missing}")
    try:
        stock = kernel(images.home / "hardware" / "kernel")
    except UnavailableError as error:
        pytest.skip(f"no stock kernel to test with: {error}")
    names = (*APPS, *(f"hostile-{name}" for name in GUESTS))
    manifests = [images.image_folder(layout, name) / "manifest.json" for layout in LAYOUTS for name in names]
    with virtual_machine(host, stock, Path(monitor_program()), manifests, images.pool) as running:
        yield running
