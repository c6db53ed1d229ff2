"""Hosts with hardware virtualisation, emulated, each started once for all tests that want it.

UNISHARE_HARDWARE names them, separated by spaces (virtual_machine.py: HOSTS); `make test-hardware` names all. What is named must be there.
When it is not set, it is AMD-V's, and these tests are skipped, with the reason, where that cannot be had.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import pytest

from hardware.guests import FUNCTIONS, GUESTS, project
from hardware.kernel import UnavailableError, kernel
from hardware.virtual_machine import HOSTS, VirtualMachine, missing_programs, virtual_machine
from integration.conftest import bare_home as bare_home
from integration.conftest import build
from unishare.monitor_program import monitor_program
from unishare.settings import Settings
from unishare.toolchain.recipes.catalog import Catalog

LAYOUTS = ("aligned", "aslr")
APPS = tuple(Catalog().app_names())
OWN = (*FUNCTIONS, *(f"hostile-{name}" for name in GUESTS))
NAMED = os.environ.get("UNISHARE_HARDWARE")
CHOSEN = ["amd-v"] if NAMED is None else NAMED.split()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These come last: an emulator runs until the session ends, and no other test shall share memory and processors with it."""
    items.sort(key=lambda item: Path(__file__).parent in item.path.parents)


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
    host = HOSTS[request.param]
    if (missing := missing_programs(host)) is not None:
        _do_without(f"no {host.name} here: {missing}")
    home: Settings = request.getfixturevalue("bare_home")
    try:
        stock = kernel(home.home / "hardware" / "kernel")
    except UnavailableError as error:
        _do_without(f"no stock kernel to test with: {error}")
    images: Settings = request.getfixturevalue("images")
    manifests = [images.image_folder(layout, name) / "manifest.json" for layout in LAYOUTS for name in (*APPS, *OWN)]
    with ExitStack() as stack:
        try:
            running = stack.enter_context(virtual_machine(host, stock, Path(monitor_program()), manifests, images.pool))
        except TimeoutError as error:
            _do_without(f"{host.name} did not start: {error}")
        yield running


def _do_without(reason: str) -> NoReturn:
    if NAMED is None:
        pytest.skip(f"{reason} (docs/hardware.md)")
    pytest.fail(reason)
