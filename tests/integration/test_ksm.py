"""`--sharing ksm`: memory that the kernel may merge, and does; `copy` stays private."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from integration.conftest import ROOT, build
from unishare.fleet import launcher
from unishare.fleet.messages import Sharing, StartRequest
from unishare.formats.manifest import Manifest
from unishare.host import ksm
from unishare.settings import Settings
from unishare.toolchain.recipes.catalog import Catalog

COUNT = 4
pytestmark = pytest.mark.skipif(ksm.problem() is not None, reason=f"needs KSM: {ksm.problem()}")


@pytest.fixture(scope="module")
def home() -> Settings:
    """The home that `make` uses, with one image."""
    settings = Settings(Path(os.environ.get("UNISHARE_HOME", ROOT / ".state")).absolute())
    build(settings, Catalog(), ("gzip",), ("aligned",))
    return settings


@pytest.fixture
def manifest(home: Settings) -> Path:
    return home.image_folder("aligned", "gzip") / "manifest.json"


def ksm_facts(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/ksm_stat").read_text().splitlines()
    return {name: value for name, _, value in (line.replace(":", "").partition(" ") for line in lines)}


async def facts(home: Settings, manifest: Path, tender: str, sharing: Sharing) -> list[dict[str, str]]:
    async with launcher.private(home) as (control, _pid):
        request = StartRequest(manifest=str(manifest), tender=tender, sharing=sharing, count=COUNT)  # type: ignore[arg-type]
        pids = [started.pid for started in await control.start(request)]
        if sharing == "ksm":
            with ksm.Merging("aggressive") as merging:
                merging.converge(120)
                return [ksm_facts(pid) for pid in pids]
        return [ksm_facts(pid) for pid in pids]


def test_equal_pages_are_merged(home: Settings, manifest: Path, tender: str) -> None:
    if ksm.read_counters().saved:
        pytest.skip("KSM is at work on this machine")
    code = sum(extent.pages for extent in Manifest.read(manifest).extents if extent.rights == "r-x")
    for instance in asyncio.run(facts(home, manifest, tender, "ksm")):
        assert instance["ksm_merge_any"] == "yes"
        assert int(instance["ksm_merging_pages"]) >= code > 20
    assert (ksm.ROOT / "run").read_text().strip() == "0"


def test_copies_stay_private(home: Settings, manifest: Path, tender: str) -> None:
    for instance in asyncio.run(facts(home, manifest, tender, "copy")):
        assert instance["ksm_merge_any"] == "no" and instance["ksm_merging_pages"] == "0"
