"""The wheel: what is in it, and that it is all one needs, outside the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from integration.conftest import ROOT
from unishare.settings import Settings


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a program to a good end; what it printed."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    """The files of the checkout that belong to it."""
    return run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines()


@pytest.fixture(scope="module")
def wheel(tracked: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a clean copy, so that nothing of earlier builds gets into it. The Rust build folder is the checkout's own."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in tracked:
        if (ROOT / name).is_file():
            (folder / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / "copy" / name)
    cargo = run(ROOT / "packaging" / "find-cargo", cwd=ROOT).strip()
    run(
        sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "-q", "-w", folder, cwd=folder / "copy",
        CARGO_TARGET_DIR=str(ROOT / "monitor" / "target"), CARGO=cargo, PATH=f"{Path(cargo).parent}:{os.environ['PATH']}",
    )  # fmt: skip
    (built,) = folder.glob("*.whl")
    return built


def test_it_holds_the_package_its_data_the_monitor_and_nothing_else(wheel: Path, tracked: list[str]) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {name.removeprefix("src/") for name in tracked if name.startswith("src/unishare/") and (ROOT / name).is_file()}
    assert {"unishare/py.typed", "unishare/guest/abi/include/unishare/abi.h", "unishare/catalog/apps/sql/books.sql"} <= package
    about = {name for name in names if ".dist-info/" in name}
    scripts = {name for name in names if ".data/scripts/" in name}
    assert {name.rsplit("/", 1)[1] for name in scripts} == {"unishare-monitor"}
    assert {name.split("/", 1)[1] for name in about} == {
        "METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "top_level.txt",
    }  # fmt: skip
    assert names - about - scripts == package


def test_installed_elsewhere_it_builds_and_answers(wheel: Path, home: Settings, tmp_path: Path) -> None:
    place = tmp_path / "venv"
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    # Dependencies are the test environment's; a folder named in a .pth file is searched, the editable install in it is not.
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip()
    (Path(site) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    run(python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    clean = {"UNISHARE_HOME": str(home.home), "UNISHARE_MONITOR": "", "PYTHONPATH": ""}
    said = run(place / "bin" / "unishare", "version", cwd=tmp_path, **clean)
    assert f"monitor {place}/bin/unishare-monitor" in said
    assert run(python, "-c", "import unishare; print(unishare.__file__)", cwd=tmp_path, **clean).startswith(str(place))
    run(place / "bin" / "unishare", "doctor", cwd=tmp_path, **clean)
    run(place / "bin" / "unishare", "build", "hello", cwd=tmp_path, **clean)
    assert run(place / "bin" / "unishare", "invoke", "hello", "--data", "wheel", cwd=tmp_path, **clean) == "Hello, wheel!\n"
