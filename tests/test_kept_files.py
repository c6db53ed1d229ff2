"""What is kept on disk, cut short at many places and written to a disk that is full at many points: work is done again, nothing crashes,
and nothing damaged is taken for good."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from full_disk import no_file_beyond
from toolchain.project import Project
from unishare.errors import BadInputError, UnishareError
from unishare.formats.manifest import Manifest
from unishare.pool.store import Pool
from unishare.settings import Settings
from unishare.toolchain.build import Builder
from unishare.toolchain.recipes.catalog import Catalog

LAYOUTS = ("aslr", "aligned")
# Of no content, or of content that other files are compared with.
NOT_KEPT = (".lock", ".tmp")


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of one app, built once in both layouts; its library has a tree of its own, made by a command."""
    made = Project(tmp_path_factory.mktemp("origin"))
    recipe = made.library("alpha", '#include "made.h"\nint table[400] = {1}; int alpha(int i) { return table[i]++ + MADE; }')
    recipe.write_text(recipe.read_text() + '[prepare]\ncommands = [["sh", "-c", "echo \'#define MADE 1\' > made.h"]]\n')
    made.app(
        "one", '#include "own.inc"\nint alpha(int); int x = OWN; int main(void) { return alpha(x); }', ["alpha"], {"data": "d"}
    )
    (made.folder / "apps" / "one" / "own.inc").write_text("#define OWN 1\n")
    build(made.folder, made.settings)
    return made


def build(project: Path, settings: Settings) -> None:
    """Build and publish as the command does, then collect."""
    pool = Pool.create(settings.pool)
    for layout in LAYOUTS:
        with Builder(Catalog([project]), settings, 2, lambda *_: None, publish=pool.publish) as builder:
            for image in builder.images(["one"], layout):
                pool.ensure_image(image.folder)
    pool.collect()


def result(settings: Settings) -> dict[str, bytes]:
    """What a build is for: images and manifests, with all their runs."""
    found = {}
    pool = Pool.open(settings.pool)
    for layout in LAYOUTS:
        folder = settings.image_folder(layout, "one")
        found |= {f"{layout}/{file.name}": file.read_bytes() for file in folder.iterdir() if file.is_file()}
        for run in Manifest.read(folder / "manifest.json").runs:
            found[run] = pool.read_run(run)
    return found


def copied(origin: Project, tmp_path: Path) -> Settings:
    shutil.copytree(origin.settings.home, tmp_path / "home", symlinks=True)
    return Settings(tmp_path / "home")


def kept_files(home: Path) -> list[Path]:
    return [file for file in sorted(home.rglob("*")) if file.is_file() and file.suffix not in NOT_KEPT and file.name != "lock"]


CUTS: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda data: b"",
    "its first byte": lambda data: data[:1],
    "half": lambda data: data[: len(data) // 2],
    "all but the last byte": lambda data: data[:-1],
    "zeros": lambda data: bytes(len(data)),
}


@pytest.mark.parametrize("cut", CUTS)
def test_every_kept_file_cut_short_costs_time_and_nothing_else(origin: Project, tmp_path: Path, cut: str) -> None:
    settings = copied(origin, tmp_path)
    wanted = result(settings)
    files = kept_files(settings.home)
    kinds = {file.name.split("-")[0].split(".")[-1] for file in files}
    assert {"json", "o", "so", "map", "key", "elf"} <= {file.suffix.lstrip(".") for file in files} | kinds
    for file in files:
        data = file.read_bytes()
        mode = file.stat().st_mode
        file.chmod(0o644)
        file.write_bytes(CUTS[cut](data))
        file.chmod(mode)
        if file.name == "global.map" and cut == "zeros":
            # No cache: who has which addresses is known nowhere else. It is refused, not guessed.
            with pytest.raises(BadInputError, match=r"global\.map"):
                (settings.image_folder("aslr", "one") / ".key").unlink()
                build(origin.folder, settings)
            file.write_bytes(data)
        if file.name == "format" and cut == "zeros":
            with pytest.raises(BadInputError, match="format"):
                Pool.create(settings.pool)
            file.chmod(0o644)
            file.write_bytes(data)
        build(origin.folder, settings)
        assert result(settings) == wanted, file
    assert list(Pool.open(settings.pool).damaged()) == []


def test_a_disk_that_is_full_at_any_point_leaves_nothing_half(origin: Project, tmp_path: Path) -> None:
    wanted = result(origin.settings)
    settings = Settings(tmp_path / "home")
    limit, failures = 0, 0
    while limit < 40_000:
        shutil.rmtree(settings.pool, ignore_errors=True)
        shutil.rmtree(settings.images, ignore_errors=True)
        if limit in (0, 600, 5000):
            shutil.rmtree(settings.home, ignore_errors=True)
        settings.home.mkdir(exist_ok=True)
        try:
            with no_file_beyond(limit):
                build(origin.folder, settings)
        except (UnishareError, OSError):
            failures += 1
        limit = max(limit + 40, limit * 5 // 4)
    assert failures > 20
    build(origin.folder, settings)
    assert result(settings) == wanted
    assert list(Pool.open(settings.pool).damaged()) == []
