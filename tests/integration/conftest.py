"""The catalogue's apps, really built, in the home that `make` uses: what was compiled once is compiled for all tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from unishare.pool.store import Pool
from unishare.settings import Settings
from unishare.toolchain.build import Builder
from unishare.toolchain.recipes.catalog import Catalog

ROOT = Path(__file__).resolve().parents[2]
FIXED_LAYOUTS = ("default", "dce", "aligned")


@pytest.fixture(scope="session")
def bare_home() -> Settings:
    """The home as it is, for tests that build what they need."""
    return Settings(Path(os.environ.get("UNISHARE_HOME", ROOT / ".state")).absolute())


@pytest.fixture(scope="session")
def home(bare_home: Settings) -> Settings:
    """The home with all apps of the catalogue under all fixed layouts."""
    build(bare_home, Catalog(), tuple(Catalog().app_names()), FIXED_LAYOUTS)
    return bare_home


@pytest.fixture(scope="session")
def aslr_home(home: Settings) -> Settings:
    """The same home with all apps under the layout aslr."""
    build(home, Catalog(), tuple(Catalog().app_names()), ("aslr",))
    return home


def second_home(folder: Path) -> Settings:
    """`folder/home` with the sources and objects of the home that `make` uses, and images and a pool of its own."""
    warm = Path(os.environ.get("UNISHARE_HOME", ROOT / ".state")).absolute()
    home = folder / "home"
    home.mkdir()
    for name in ("sources", "objects"):
        (warm / name).mkdir(parents=True, exist_ok=True)
        (home / name).symlink_to(warm / name)
    return Settings(home)


def default_signals() -> None:
    """For a child that gets signals: whoever runs the tests may have these ignored (nohup, a shell's background)."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def build(settings: Settings, catalog: Catalog, names: tuple[str, ...], layouts: tuple[str, ...]) -> None:
    """Build and pool apps."""
    pool = Pool.create(settings.pool)
    with Builder(catalog, settings, os.cpu_count() or 1, lambda *_: None) as builder:
        for layout in layouts:
            for image in builder.images(names, layout):
                pool.ensure_image(image.folder)


@pytest.fixture(params=[pytest.param("kvm", marks=pytest.mark.kvm), "process"])
def tender(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each tender in turn."""
    yield request.param
