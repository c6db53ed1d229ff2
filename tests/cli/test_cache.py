"""`unishare cache prune`: what goes, what stays, and that a build makes it again."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from toolchain.project import Project
from unishare.cli.commands import cli

DAY_S = 24 * 3600


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def prune(home: Path, *arguments: str) -> list[str]:
    result = CliRunner().invoke(cli, ["--home", str(home), "cache", "prune", "--json", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return [Path(path).name for path in json.loads(result.stdout)["removed"]]


def entries(home: Path) -> list[Path]:
    return sorted(path for path in (home / "objects").glob("*/*") if path.is_dir())


def age(path: Path, days: float) -> None:
    then = time.time() - days * DAY_S
    os.utime(path, (then, then))


def test_what_no_build_used_for_long_goes_and_comes_again(project: Project) -> None:
    project.library("tiny", "int tiny(void) { return 7; }")
    project.app("uses", "int tiny(void); int main(void) { return tiny(); }", ["tiny"])
    image = project.build(["uses"])[0].folder / "image.elf"
    before = image.read_bytes()
    home = project.settings.home
    for entry in entries(home):
        age(entry, 40)
    young = entries(home)[0]
    age(young, 20)
    assert young.name not in prune(home, "--dry-run")
    assert len(entries(home)) > 1
    removed = prune(home)
    assert removed and young.name not in removed
    assert entries(home) == [young]
    shutil.rmtree(image.parent)
    assert project.build(["uses"])[0].folder == image.parent
    assert image.read_bytes() == before


def test_a_build_marks_what_it_uses(project: Project) -> None:
    project.app("alone", "int main(void) { return 0; }", [])
    project.build(["alone"])
    home = project.settings.home
    for entry in entries(home):
        age(entry, 40)
    project.build(["alone"], "default")
    assert prune(home) == []


def test_a_home_that_is_empty_has_nothing_to_prune(tmp_path: Path) -> None:
    assert prune(tmp_path) == []
