"""`bench speed` on real instances: every layout is measured, and a layout that answers otherwise fails the benchmark."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from unishare.evaluation.bench.speed import bench_speed
from unishare.evaluation.bench.workload import load_functions
from unishare.fleet.examples import WrongAnswerError
from unishare.formats.elf import STT_FUNC, ElfFile
from unishare.settings import Settings
from unishare.toolchain.objects.combine import CACHE_LINE_BYTES
from unishare.toolchain.recipes.catalog import Catalog

APPS = ["hash", "matrix"]


def test_layouts_are_measured_in_pairs(home: Settings, tender: str) -> None:
    functions = {layout: load_functions(home, APPS, layout) for layout in ("default", "aligned")}
    report = asyncio.run(bench_speed(home, functions, tender, 2, 1000, lambda *_: None))  # type: ignore[arg-type]
    for name in ("hash default", "matrix aligned", "aligned/default hash", "aligned/default"):
        assert report.row(name).n == 2
        assert report.row(name).min > 0
    assert set(report.ratios) == {"aligned/default"}


def test_another_answer_under_another_layout_is_an_error(home: Settings) -> None:
    functions = {layout: load_functions(home, APPS, layout) for layout in ("default", "aligned")}
    functions["aligned"][0] = replace(functions["aligned"][0], work=b"something else")
    with pytest.raises(WrongAnswerError, match="hash under aligned"):
        asyncio.run(bench_speed(home, functions, "process", 2, 1000, lambda *_: None))


def test_every_app_but_the_smallest_has_a_long_request() -> None:
    # They answer no requests of users: builds ask them.
    assert {app.name for app in Catalog().apps() if app.work is None} <= {"hello", "javascript-check", "lua-check"}


@pytest.mark.parametrize("app", ["hello", "sql", "xml"])
def test_code_lies_in_cache_lines_alike_whether_libraries_have_places_or_not(home: Settings, app: str) -> None:
    compact, placed = (_functions(home, layout, app) for layout in ("default", "aligned"))
    both = compact.keys() & placed.keys()
    assert len(both) > 1000
    assert [name for name in both if (compact[name] - placed[name]) % CACHE_LINE_BYTES] == []


def _functions(home: Settings, layout: str, app: str) -> dict[str, int]:
    """The addresses of an image's global functions."""
    image = ElfFile.read(home.image_folder(layout, app) / "image.elf")
    return {symbol.name: symbol.value for symbol in image.symbols() if symbol.type == STT_FUNC}
