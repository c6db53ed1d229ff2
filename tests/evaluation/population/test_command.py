"""`unishare population` as people call it, up to the compiler."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from unishare.cli.commands import cli


def test_write_only_writes_and_says_where(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        cli, ["--home", str(tmp_path), "population", "--seed", "1", "--count", "3", "--write-only", "--json"]
    )
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report == {
        "folder": str(tmp_path / "population" / "1"), "count": 3, "seed": 1, "layouts": [], "images": [], "wrong": None,
    }  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "population" / "1" / "apps").iterdir()) == ["p1-0000", "p1-0001", "p1-0002"]


def test_the_seed_is_asked_for_and_contradictions_are_refused(tmp_path: Path) -> None:
    without = CliRunner().invoke(cli, ["--home", str(tmp_path), "population", "--count", "3"])
    assert without.exit_code == 2 and "--seed" in without.output
    both = CliRunner().invoke(cli, ["--home", str(tmp_path), "population", "--seed", "1", "--write-only", "--check"])
    assert both.exit_code == 2 and "must be built" in both.output
    assert not (tmp_path / "population").exists()
