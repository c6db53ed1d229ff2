"""Places in frames: apart, aligned, never across a page without need, and the same when the map is read again."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolchain.map.test_global_map import library
from unishare.errors import BadInputError
from unishare.formats.addresses import PAGE
from unishare.toolchain.map.frame_space import STEPS, FrameKind, FrameSpace
from unishare.toolchain.map.global_map import GlobalMap
from unishare.toolchain.objects.cache import WindowSize

REQUESTS = st.lists(
    st.tuples(st.sampled_from(FrameKind), st.integers(1, 3 * PAGE), st.sampled_from([1, 8, 32, 64, 4096])), max_size=60
)


@given(REQUESTS)
def test_windows_are_apart_aligned_and_cross_no_page_without_need(requests: list[tuple[FrameKind, int, int]]) -> None:
    space = FrameSpace()
    taken: dict[FrameKind, list[tuple[int, int]]] = {kind: [] for kind in FrameKind}
    for kind, size, alignment in requests:
        window = space.allocate(kind, size, alignment)
        assert window.size == size
        assert window.address % max(alignment, STEPS[kind]) == 0
        assert size > PAGE or window.address // PAGE == (window.end - 1) // PAGE
        taken[kind].append((window.address, window.end))
    for windows in taken.values():
        ordered = sorted(windows)
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(ordered))


@given(st.lists(st.integers(1, 600), min_size=1, max_size=40))
def test_small_ones_leave_little_of_their_pages_free(sizes: list[int]) -> None:
    space = FrameSpace()
    for size in sizes:
        space.allocate(FrameKind.LINKAGE, size, 8)
    used = sum(-(-size // 16) * 16 for size in sizes)
    assert space.ends[FrameKind.LINKAGE] <= (used / (PAGE - 600) + 1) * PAGE


def test_the_map_keeps_places_and_says_them_again(tmp_path: Path) -> None:
    file = tmp_path / "global.map"
    sizes = {FrameKind.LINKAGE: WindowSize(size=100, alignment=8), FrameKind.WRITABLE: WindowSize(size=30, alignment=32)}
    wanted = [(library(name, text=100), sizes) for name in ("a", "b")]
    first = GlobalMap(file).frames(wanted)
    assert [one[FrameKind.LINKAGE].address for one in first.values()] == [0, 112]
    again = GlobalMap(file)
    again.windows([library("c", text=100)])
    assert again.frames([*reversed(wanted), (library("d", text=1), {})]) == {**first, library("d", text=1).digest: {}}
    assert again.windows([library("c", text=100)]) == GlobalMap(file).windows([library("c", text=100)])


def test_a_changed_place_in_the_file_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "global.map"
    GlobalMap(file).frames([(library("a", text=100), {FrameKind.LINKAGE: WindowSize(size=100, alignment=8)})])
    text = file.read_text()
    file.write_text(text.replace("linkage=0x0+", "linkage=0x40+"))
    with pytest.raises(BadInputError, match=r"line 3: a's linkage is at 0x40, but belongs at 0x0"):
        GlobalMap(file).state()
    file.write_text(text.replace("linkage=0x0+", "text=0x0+"))
    with pytest.raises(BadInputError, match="is not a record of the global map"):
        GlobalMap(file).state()
