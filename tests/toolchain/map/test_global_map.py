"""The global map: windows never overlap, never move, survive crashes and concurrency, and damage is noticed."""

from __future__ import annotations

import errno
import multiprocessing
import os
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from full_disk import no_file_beyond
from unishare.errors import BadInputError, BuildError
from unishare.evaluation.bench.map_scale import synthetic_apps, synthetic_libraries
from unishare.formats.addresses import LIBRARY_BASE, LIBRARY_END, PAGE, ZONE
from unishare.formats.sections import Kind
from unishare.toolchain.map import global_map as global_map_module
from unishare.toolchain.map import zones
from unishare.toolchain.map.frame_space import FrameKind
from unishare.toolchain.map.global_map import HEADER, GlobalMap, MapState
from unishare.toolchain.objects.cache import UnitFacts, UnitObject, WindowSize
from unishare.toolchain.tools.digests import of_bytes


def library(name: str, **sizes: int) -> UnitObject:
    """A library that was never compiled: the map only looks at names and sizes."""
    windows = {Kind(kind): WindowSize(size=size, alignment=32) for kind, size in sizes.items() if size}
    facts = UnitFacts(
        digest=of_bytes(f"{name}{sizes}".encode()), windows=windows, constructors=0, destructors=0, thread_local=False,
        strong=[], weak=[], undefined=[],
    )  # fmt: skip
    return UnitObject(name, "1.0", Path("/nowhere"), facts)


SIZES = st.fixed_dictionaries(
    {
        "text": st.integers(1, 3 << 20),
        "rodata": st.integers(0, 1 << 20),
        "data": st.integers(0, 1 << 20),
        "bss": st.integers(0, 4 << 20),
    }
)


def windows_of(state: MapState, generation: int) -> list[tuple[int, int, Kind]]:
    """All windows of a generation by address."""
    return sorted(
        (one.address, one.end, kind)
        for entry in state.entries
        if entry.generation == generation
        for kind, one in entry.windows.items()
    )


def check(state: MapState) -> None:
    """What holds for every map."""
    for generation in range(1, state.generation + 1):
        found = windows_of(state, generation)
        rights: dict[int, set[str]] = {}
        for start, end, kind in found:
            assert LIBRARY_BASE <= start < end <= LIBRARY_END
            if kind in (Kind.TEXT, Kind.RODATA):
                # A window that begins within a page takes no more pages for it.
                assert (end - 1) // PAGE - start // PAGE == (end - start - 1) // PAGE
            for page in range(start // PAGE, (end - 1) // PAGE + 1):
                rights.setdefault(page, set()).add("rw" if kind in (Kind.DATA, Kind.BSS) else kind)
        assert all(before[1] <= after[0] for before, after in pairwise(found))
        for before, after in pairwise(found):
            if Kind.TEXT in (before[2], after[2]) or Kind.RODATA in (before[2], after[2]):
                assert (before[1] - 1) // PAGE < after[0] // PAGE
        assert all(len(kinds) == 1 for kinds in rights.values())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=40), st.data())
def test_windows_are_disjoint_and_stay(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[dict[str, int]], data: st.DataObject
) -> None:
    file = tmp_path_factory.mktemp("map") / "global.map"
    libraries = [library(f"lib{number}", **one) for number, one in enumerate(sizes)]
    cut = data.draw(st.integers(0, len(libraries)))
    first = GlobalMap(file).windows(libraries[:cut])
    everything = GlobalMap(file).windows(data.draw(st.permutations(libraries)))
    check(GlobalMap(file).state())
    again = GlobalMap(file)
    assert again.windows(libraries) == everything
    assert {digest: everything[digest] for digest in first} == first
    assert len({entry.digest for entry in again.state().entries}) == len({one.digest for one in libraries})


def _allocate(file: Path, offset: int) -> None:
    for number in range(40):
        GlobalMap(file).windows([library(f"lib{(number + offset) % 60}", text=5000 + number * 0, data=100)])


def test_concurrent_builds_agree(tmp_path: Path) -> None:
    file = tmp_path / "global.map"
    processes = [multiprocessing.Process(target=_allocate, args=(file, offset)) for offset in (0, 10, 20, 30)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    state = GlobalMap(file).state()
    check(state)
    names = [entry.name for entry in state.entries]
    assert len(names) == len(set(names)) == 60


def test_half_a_last_line_is_dropped(tmp_path: Path) -> None:
    file = tmp_path / "global.map"
    before = GlobalMap(file).windows([library("a", text=100)])
    with file.open("a") as stream:
        stream.write("library b 1.0 0123")
    assert [entry.name for entry in GlobalMap(file).state().entries] == ["a"]
    GlobalMap(file).windows([library("c", text=100)])
    assert [entry.name for entry in GlobalMap(file).state().entries] == ["a", "c"]
    assert GlobalMap(file).windows([library("a", text=100)]) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("unishare-map 3", "unishare-map 9"),
        ("0x20000000", "0x20001000"),
        ("library a", "libary a"),
        ("text=", "txt="),
        ("+0x64", "+0x99999999"),
    ],
)
def test_damage_is_refused_with_its_line(tmp_path: Path, old: str, new: str) -> None:
    file = tmp_path / "global.map"
    GlobalMap(file).windows([library("a", text=100), library("b", text=100)])
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(BadInputError, match=r"global\.map: line \d") as caught:
        GlobalMap(file).state()
    assert caught.value.hint


def test_binary_rubbish_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "global.map"
    file.write_bytes(b"\xff\xfe\n\x00" * 50)
    with pytest.raises(BadInputError):
        GlobalMap(file).state()


def test_a_used_up_address_space_starts_a_generation_and_old_windows_stay(tmp_path: Path) -> None:
    file = tmp_path / "global.map"
    common = library("common", text=10_000, data=64)
    old = GlobalMap(file).windows([common])
    for number in range(8):
        GlobalMap(file).windows([common, library(f"big{number}", text=300 << 20)])
    state = GlobalMap(file).state()
    check(state)
    assert state.generation == 2
    places = {entry.generation: entry.windows for entry in state.entries if entry.name == "common"}
    assert places[1] == old[common.digest]
    assert set(places) == {1, 2}


def test_libraries_that_can_never_fit_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    file = tmp_path / "global.map"
    GlobalMap(file).windows([library("a", text=100)])
    before = file.read_bytes()
    with pytest.raises(BuildError, match="do not fit"):
        GlobalMap(file).windows([library("huge", text=1 << 30), library("huge2", text=1 << 30)])
    assert file.read_bytes() == before
    GlobalMap(file).windows([library("b", text=100)])
    check(GlobalMap(file).state())


def test_two_thousand_versions_of_five_hundred_apps_are_disjoint_and_dense(tmp_path: Path) -> None:
    file = tmp_path / "global.map"
    libraries = synthetic_libraries(2000, seed=5)
    global_map = GlobalMap(file)
    found = [global_map.windows(app) for app in synthetic_apps(libraries, 500, seed=6)]
    state = GlobalMap(file).state()
    check(state)
    assert state.generation == 1
    assert len(state.entries) == 2000
    used = sum(-(-one.size // PAGE) * PAGE for entry in state.entries for one in entry.windows.values())
    assert state.zones.next_zone - LIBRARY_BASE < used * 1.2
    known = {entry.digest: entry.windows for entry in state.entries}
    assert all(windows == known[digest] for app in found for digest, windows in app.items())


def test_the_work_for_a_window_does_not_grow_with_the_map(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = 0
    real = zones._start

    def counting(cursor: int, kind: Kind, size: int, step: int) -> int:
        nonlocal looked_at
        looked_at += 1
        return real(cursor, kind, size, step)

    monkeypatch.setattr(zones, "_start", counting)
    found = zones.Zones()
    work = []
    for one in synthetic_libraries(4000, seed=7):
        looked_at = 0
        for kind, window in one.facts.windows.items():
            found.allocate(kind, window.size, window.alignment)
        work.append(looked_at / len(one.facts.windows))
    assert found.next_zone > LIBRARY_BASE + 100 * ZONE
    # At most all open zones twice: before and after a new one is opened.
    assert max(work) <= 2 * zones.OPEN_AREAS


def test_a_map_that_grows_reads_and_writes_only_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "global.map"
    replayed = 0
    real = global_map_module._replay

    def counting(path: Path, state: MapState, data: bytes, offset: int) -> None:
        nonlocal replayed
        replayed += len(data)
        real(path, state, data, offset)

    monkeypatch.setattr(global_map_module, "_replay", counting)
    one, other = GlobalMap(file), GlobalMap(file)
    for number, unit in enumerate(synthetic_libraries(200, seed=8)):
        (one, other)[number % 2].windows([unit])
    # Each of the two reads what the other wrote, once.
    assert replayed <= file.stat().st_size


def test_a_map_that_could_not_be_written_hands_out_nothing(tmp_path: Path) -> None:
    file = tmp_path / "global.map"
    first, second, third = (library(name, text=5000, data=100) for name in ("first", "second", "third"))
    GlobalMap(file).windows([first])
    start = file.stat().st_size
    whole = len(GlobalMap(tmp_path / "other.map").windows([first, second, third])) and (tmp_path / "other.map").stat().st_size
    for room in range(start, whole):
        mapped = GlobalMap(file)
        with no_file_beyond(room), pytest.raises(OSError):
            mapped.windows([second, third])
        # Whoever tries again, in this process or another, is told what the file says.
        retried = mapped.windows([third])[third.digest]
        assert retried == GlobalMap(file).windows([third])[third.digest]
        check(GlobalMap(file).state())
        file.write_bytes(file.read_bytes()[:start])
        file.with_name("global.map.seal").unlink()


def test_places_in_frames_that_could_not_be_written_are_not_handed_out_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapped = GlobalMap(tmp_path / "global.map")
    sizes = {FrameKind.LINKAGE: WindowSize(size=64, alignment=8)}
    first, second = library("first", text=1), library("second", text=1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", _full)
        with pytest.raises(OSError):
            mapped.frames([(first, sizes)])
    (tmp_path / "global.map").unlink()
    assert mapped.frames([(second, sizes)]) == GlobalMap(tmp_path / "global.map").frames([(second, sizes)])


def _full(_: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_map_that_lost_whole_lines_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "global.map"
    GlobalMap(file).windows([library(name, text=100) for name in ("a", "b", "c")])
    whole = file.read_bytes()
    for end in [0, *(at + 1 for at in range(len(whole) - 1) if whole[at : at + 1] == b"\n")]:
        file.write_bytes(whole[:end])
        with pytest.raises(BadInputError, match=f"lost its last {len(whole) - end} bytes") as caught:
            GlobalMap(file).windows([library("d", text=100)])
        assert "backup" in str(caught.value.hint)
        assert file.read_bytes() == whole[:end]
    file.write_bytes(whole)
    assert len(GlobalMap(file).state().entries) == 3


@pytest.mark.parametrize(("old", "new"), [(b"library b 1.0", b"library b 1.1"), (b"library c", b"library z")])
def test_a_changed_name_or_version_is_noticed(tmp_path: Path, old: bytes, new: bytes) -> None:
    file = tmp_path / "global.map"
    GlobalMap(file).windows([library(name, text=100) for name in ("a", "b", "c")])
    assert old in file.read_bytes()
    file.write_bytes(file.read_bytes().replace(old, new))
    with pytest.raises(BadInputError, match="was changed"):
        GlobalMap(file).state()


def test_a_map_that_is_cut_under_a_running_build_is_refused(tmp_path: Path) -> None:
    mapped = GlobalMap(tmp_path / "global.map")
    mapped.windows([library("a", text=100)])
    (tmp_path / "global.map").write_bytes(b"")
    with pytest.raises(BadInputError, match="lost its last"):
        mapped.windows([library("b", text=100)])


def test_a_map_of_before_there_were_seals_and_one_that_is_removed_go_on(tmp_path: Path) -> None:
    file, seal = tmp_path / "global.map", tmp_path / "global.map.seal"
    GlobalMap(file).windows([library("a", text=100)])
    seal.unlink()
    GlobalMap(file).windows([library("b", text=100)])
    assert seal.exists()
    # What was appended and not sealed, because of a crash between, is right.
    old = seal.read_bytes()
    GlobalMap(file).windows([library("c", text=100)])
    seal.write_bytes(old)
    assert [entry.name for entry in GlobalMap(file).state().entries] == ["a", "b", "c"]
    file.unlink()
    GlobalMap(file).windows([library("d", text=100)])
    assert [entry.name for entry in GlobalMap(file).state().entries] == ["d"]


def test_libraries_that_come_together_share_a_zone(tmp_path: Path) -> None:
    """What one page-table page reaches holds their code, constants and data."""
    libraries = [library(f"lib{number}", text=40_000, rodata=20_000, data=500, bss=500) for number in range(10)]
    windows = GlobalMap(tmp_path / "global.map").windows(libraries)
    assert {one.address // ZONE for each in windows.values() for one in each.values()} == {LIBRARY_BASE // ZONE}


def test_a_map_that_began_with_zones_of_one_right_goes_on_so(tmp_path: Path) -> None:
    file = tmp_path / "global.map"
    separate = GlobalMap(file, partial(zones.Zones, lengths=zones.SEPARATE))
    first = separate.windows([library("a", text=5000, rodata=3000)])
    file.write_text(file.read_text().replace(HEADER, "unishare-map 2"))
    file.with_name(f"{file.name}.seal").unlink(missing_ok=True)
    both = GlobalMap(file).windows([library("a", text=5000, rodata=3000), library("b", text=5000, rodata=3000)])
    assert first.items() <= both.items()
    for kind in (Kind.TEXT, Kind.RODATA):
        assert len({windows[kind].address // ZONE for windows in both.values()}) == 1
    assert GlobalMap(file).state().generation == 1
