"""Same inputs, same bytes: whatever the folder, the time, the number of jobs and the place of the package itself."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from unishare.monitor_program import monitor_program
from unishare.settings import Settings

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "unishare"
APPS = ("hello", "gzip")
LAYOUTS = ("aligned", "aslr")


def build(home: Path, package: Path, jobs: int, **environment: str) -> None:
    """Build from nothing but archives, with the package that lies in `package`."""
    for layout in LAYOUTS:
        subprocess.run(
            [sys.executable, "-m", "unishare", "--home", home, "build", *APPS, "--layout", layout, "--jobs", str(jobs)],
            check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=300, cwd=home,
            env={**os.environ, "PYTHONPATH": str(package.parent), "UNISHARE_MONITOR": str(monitor_program()), **environment},
        )  # fmt: skip


def contents(home: Path) -> dict[str, str]:
    """Everything that was built, by name; not what is the machine's own: locks, downloads, and the note of an image's folder."""
    files = [path for part in ("objects", "images", "pool") for path in (home / part).rglob("*")] + [home / "global.map"]
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.is_file() and path.suffix not in (".lock", ".folder") and path.name != "lock"
    }


@pytest.fixture(scope="module")
def homes(home: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two homes, the second as different as it can be: deeper, another package folder, new file times, more jobs, another day."""
    folder = tmp_path_factory.mktemp("reproducible")
    first, second = folder / "first", folder / "another" / "and deeper" / "second"
    for one in (first, second):
        shutil.copytree(home.sources / "archives", one / "sources" / "archives")
    elsewhere = folder / "elsewhere" / "unishare"
    shutil.copytree(PACKAGE, elsewhere, ignore=shutil.ignore_patterns("__pycache__"), copy_function=shutil.copyfile)
    for path in elsewhere.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    other = {"TZ": "Asia/Tokyo", "SOURCE_DATE_EPOCH": "86400", "LC_ALL": "C", "USER": "another", "HOME": str(folder)}
    with ThreadPoolExecutor() as pool:
        builds = [pool.submit(build, first, PACKAGE, 1), pool.submit(build, second, elsewhere, 4, **other)]
        for one in builds:
            one.result()
    return first, second


def test_libraries_images_manifests_runs_and_the_map_are_the_same_bytes(homes: tuple[Path, Path]) -> None:
    first, second = (contents(one) for one in homes)
    assert {name.split("/")[0] for name in first} == {"objects", "images", "pool", "global.map"}
    assert sum(name.endswith("unit.o") for name in first) >= 2 * 18
    assert sum(name.endswith(("image.elf", "manifest.json")) for name in first) == 2 * len(APPS) * len(LAYOUTS)
    assert first == second


def test_nothing_that_was_built_names_a_folder_of_this_machine(homes: tuple[Path, Path]) -> None:
    places = [os.fsencode(part) for part in (homes[1], PACKAGE, homes[1].parents[2] / "elsewhere")]
    for name in contents(homes[1]):
        data = (homes[1] / name).read_bytes()
        assert not [place for place in places if place in data], name
