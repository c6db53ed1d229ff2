"""What is kept on disk, cut short at many places and written to a disk that is full at many points: work is done again, nothing crashes,
and nothing damaged is taken for good."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from full_disk import names_taken, no_file_beyond
from toolchain.project import Project
from unishare import unfinished
from unishare.errors import BadInputError, UnishareError
from unishare.formats.manifest import Manifest
from unishare.pool.store import FORMAT, Pool
from unishare.settings import Settings
from unishare.toolchain.build import Builder
from unishare.toolchain.objects.prune import prune_cache
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
    "a tenth": lambda data: data[: len(data) // 10],
    "half": lambda data: data[: len(data) // 2],
    "all lines but the last": lambda data: data[: data.rstrip(b"\n").rfind(b"\n") + 1],
    "all but the last byte": lambda data: data[:-1],
    "zeros": lambda data: bytes(len(data)),
    "a page of zeros": lambda data: data[: len(data) // 2] + bytes(4096) + data[len(data) // 2 + 4096 :],
    "one bit": lambda data: (
        data[: len(data) // 2] + bytes(byte ^ 1 for byte in data[len(data) // 2 :][:1]) + data[len(data) // 2 + 1 :]
    ),
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
        if file.name == "global.map":
            # No cache: who has which addresses is known nowhere else. It is refused, not guessed.
            with pytest.raises(BadInputError, match=r"global\.map"):
                build(origin.folder, settings)
            file.write_bytes(data)
        if file.name == "format" and not FORMAT.encode().startswith(CUTS[cut](data)):
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


def fresh_home(settings: Settings, origin: Project) -> None:
    """A home with what was compiled, so that a build is about what is kept."""
    shutil.rmtree(settings.home, ignore_errors=True)
    shutil.copytree(origin.settings.home / "objects", settings.objects)


def test_names_that_a_full_disk_does_not_take_leave_nothing_half(origin: Project, tmp_path: Path) -> None:
    wanted = result(origin.settings)
    settings = Settings(tmp_path / "home")
    fresh_home(settings, origin)
    with names_taken(settings.home, act=lambda: None) as taken:
        build(origin.folder, settings)
    assert taken.count > 60
    failures = 0
    for number in range(1, taken.count + 1, max(1, taken.count // 40)):
        fresh_home(settings, origin)
        try:
            with names_taken(settings.home, number, refuse):
                build(origin.folder, settings)
        except (UnishareError, OSError) as error:
            failures += 1
            assert "No space left" in str(error), number
        assert left_behind(settings) == [], number
        build(origin.folder, settings)
        assert result(settings) == wanted, number
    assert failures > 30  # a link that cannot be made is a copy
    assert list(Pool.open(settings.pool).damaged()) == []


def test_a_build_that_is_killed_anywhere_leaves_nothing_that_matters(
    origin: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = result(origin.settings)
    settings = Settings(tmp_path / "home")
    fresh_home(settings, origin)
    with names_taken(settings.home, act=lambda: None) as taken:
        build(origin.folder, settings)
    monkeypatch.setattr(unfinished, "FOLDER_GRACE_S", 0.0)
    monkeypatch.setattr(unfinished, "FILE_GRACE_S", 0.0)
    littered = 0
    for number in range(1, taken.count + 1, max(1, taken.count // 25)):
        fresh_home(settings, origin)
        child = os.fork()
        if not child:
            with contextlib.suppress(BaseException), names_taken(settings.home, number, lambda: os._exit(9)):
                build(origin.folder, settings)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        littered += bool(left_behind(settings))
        build(origin.folder, settings)
        assert result(settings) == wanted, number
        assert list(Pool.open(settings.pool).damaged()) == []
        Pool.open(settings.pool).collect()
        prune_cache(settings, 30)
        assert left_behind(settings) == [], number
    assert littered > 5


def left_behind(settings: Settings) -> list[str]:
    """What is there only while something is written."""
    growing = [path for path in settings.home.rglob("*") if path.name.startswith((".new-", "tmp"))]
    return sorted(str(path.relative_to(settings.home)) for path in [*growing, *(settings.pool / "incoming").glob("*")])


def refuse() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
