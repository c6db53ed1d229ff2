"""`unishare map --forget-unused`: what no image of the pool names goes, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from toolchain.map.test_global_map import library
from unishare.cli.commands import cli
from unishare.formats.manifest import Manifest
from unishare.pool.store import Pool
from unishare.settings import Settings
from unishare.toolchain.map.frame_space import FrameKind
from unishare.toolchain.map.global_map import GlobalMap
from unishare.toolchain.objects.cache import WindowSize

SIZES = {FrameKind.LINKAGE: WindowSize(size=100, alignment=8)}


def run(home: Path, *arguments: str) -> Any:
    done = CliRunner().invoke(cli, ["--home", str(home), "map", *arguments])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout) if "--json" in arguments else done.output


def test_versions_that_no_image_has_are_listed_first_and_then_forgotten(tmp_path: Path, monkeypatch: Any) -> None:
    settings = Settings(tmp_path)
    Pool.create(settings.pool)
    used, unused = library("used", text=1), library("unused", text=2)
    places = GlobalMap(settings.global_map).frames([(unused, SIZES), (used, SIZES)])

    class Image:
        manifest = Manifest.model_construct(libraries=[], modules=None)

    Image.manifest.libraries.append(type("Reference", (), {"hash": used.digest})())  # type: ignore[arg-type]
    monkeypatch.setattr(Pool, "images", lambda _: [Image()])
    before = settings.global_map.read_bytes()
    listed = run(tmp_path, "--forget-unused", "--dry-run", "--json")
    assert listed == {"forgotten": [{"library": "unused", "version": "1.0", "hash": unused.digest}], "bytes": 100}
    assert settings.global_map.read_bytes() == before
    assert "1 library versions forgotten, 100 B" in run(tmp_path, "--forget-unused")
    assert "0 library versions forgotten" in run(tmp_path, "--forget-unused")
    found = GlobalMap(settings.global_map).state().frames
    assert {digest: entry.windows for digest, entry in found.items()} == {used.digest: places[used.digest]}


def test_options_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    for arguments in (["--dry-run"], ["--forget-unused", "--check", "gzip"]):
        assert CliRunner().invoke(cli, ["--home", str(tmp_path), "map", *arguments]).exit_code == 2
