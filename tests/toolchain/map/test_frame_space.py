"""Places in frames: apart, aligned, never across a page without need, and the same when the map is read again."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolchain.map.test_global_map import library
from unishare.errors import BadInputError
from unishare.formats.addresses import PAGE
from unishare.toolchain.map.frame_space import STEPS, FrameKind, FrameSpace, FrameWindows
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


STEPS_OF_A_MAP = st.lists(st.tuples(st.integers(0, 11), st.booleans(), st.integers(1, 5000), st.integers(1, 300)), max_size=40)


@settings(max_examples=40, deadline=None)
@given(STEPS_OF_A_MAP)
def test_what_is_kept_stays_and_what_is_forgotten_is_given_to_others_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bool, int, int]]
) -> None:
    file = tmp_path_factory.mktemp("map") / "global.map"
    known = GlobalMap(file)
    places: dict[str, FrameWindows] = {}  # the oracle: who has what
    for name, forgets, linkage, writable in steps:
        if forgets:
            kept = {digest for number, digest in enumerate(places) if (number + name) % 3}
            assert {entry.digest for entry in known.forget(kept)} == places.keys() - kept
            places = {digest: windows for digest, windows in places.items() if digest in kept}
        else:
            unit = library(f"l{name}", text=linkage)
            sizes = {
                FrameKind.LINKAGE: WindowSize(size=linkage, alignment=8),
                FrameKind.WRITABLE: WindowSize(size=writable, alignment=32),
            }
            before = places.get(unit.digest)
            places.update(known.frames([(unit, sizes)]))
            assert before in (None, places[unit.digest])
        for state in (known.state(), GlobalMap(file).state() if file.exists() else known.state()):
            assert {digest: entry.windows for digest, entry in state.frames.items()} == places
        for kind in FrameKind:
            ordered = sorted((windows[kind].address, windows[kind].end) for windows in places.values())
            assert all(start[1] <= end[0] for start, end in itertools.pairwise(ordered))
            assert all(end - start > PAGE or start // PAGE == (end - 1) // PAGE for start, end in ordered)
    if file.exists():
        file.write_bytes(file.read_bytes().rpartition(b"\n")[0].rpartition(b"\n")[0] + b"\n")
        with pytest.raises(BadInputError, match="lost its last"):
            GlobalMap(file).state()


def test_new_versions_take_the_places_of_forgotten_ones(tmp_path: Path) -> None:
    file = tmp_path / "global.map"
    sizes = {FrameKind.LINKAGE: WindowSize(size=900, alignment=8)}
    old = [library(f"old{number}", text=1) for number in range(9)]
    GlobalMap(file).frames([(unit, sizes) for unit in old])
    end = GlobalMap(file).state().frame_space.ends[FrameKind.LINKAGE]
    kept = GlobalMap(file).state().frames[old[4].digest]
    assert [entry.name for entry in GlobalMap(file).unused({old[4].digest})] == [
        unit.name for unit in old if unit is not old[4]
    ]
    GlobalMap(file).forget({old[4].digest})
    assert GlobalMap(file).forget({old[4].digest}) == []
    GlobalMap(file).frames([(library(f"new{number}", text=1), sizes) for number in range(8)])
    state = GlobalMap(file).state()
    assert state.frame_space.ends[FrameKind.LINKAGE] == end and state.frames[old[4].digest] == kept
    text = file.read_text()
    file.write_text(text + text.splitlines()[-9].replace("frames", "forget").partition(" linkage")[0] + "\n")
    with pytest.raises(BadInputError, match=r"old\d has no places to forget"):
        GlobalMap(file).state()
