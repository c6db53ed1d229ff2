"""Neighbours in the map are fewer mappings and page tables of a live instance."""

from __future__ import annotations

import asyncio

from unishare.evaluation.bench.placement import bench_placement
from unishare.settings import Settings
from unishare.toolchain.recipes.catalog import Catalog


def test_placement_saves_mappings_and_page_tables(home: Settings) -> None:
    report = asyncio.run(bench_placement(home, Catalog(), ["hello", "gzip"], 2, lambda *_: None))
    mappings = [report.row(f"{name} mappings").max for name in ("joined", "neighbours", "scattered")]
    assert mappings == sorted(mappings) and len(set(mappings)) == 3
    assert mappings[0] <= 17
    assert report.row("joined page tables").max < report.row("scattered page tables").min
    assert report.row("joined KVM page tables").max < report.row("scattered KVM page tables").min
