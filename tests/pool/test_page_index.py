"""Pages of snapshots in the pool: stored once, in stretches, and only trusted when they still are what they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from unishare.pool import snapshots
from unishare.pool.page_index import PageIndex
from unishare.pool.runs import RunFiles
from unishare.pool.store import Pool


def page(number: int) -> bytes:
    return number.to_bytes(2, "little") * 2048


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    for name in ("runs", "incoming"):
        (tmp_path / name).mkdir()
    return tmp_path


def runs_in(pool: Path) -> list[Path]:
    return list((pool / "runs").glob("*/*"))


def test_equal_pages_of_two_snapshots_are_stored_once_and_neighbours_stay_together(pool: Path) -> None:
    index = PageIndex(pool, RunFiles(pool))
    first = index.store([(0x1000, page(1)), (0x2000, page(2)), (0x3000, page(3)), (0x9000, page(4))])
    assert [(one.start, one.pages, one.first) for one in first] == [(0x1000, 3, 0), (0x9000, 1, 3)]
    second = index.store([(0x1000, page(1)), (0x2000, page(2)), (0x3000, page(9)), (0x9000, page(4))])
    assert [(one.start, one.pages, one.run == first[0].run) for one in second] == [
        (0x1000, 2, True),
        (0x3000, 1, False),
        (0x9000, 1, True),
    ]
    assert sum(file.stat().st_size for file in runs_in(pool)) == 5 * 4096


def test_a_page_twice_in_one_snapshot_is_stored_once(pool: Path) -> None:
    stretches = PageIndex(pool, RunFiles(pool)).store([(0x1000, page(1)), (0x2000, page(1))])
    assert {(one.run, one.first) for one in stretches} == {(stretches[0].run, 0)}
    assert [file.stat().st_size for file in runs_in(pool)] == [4096]


def test_a_record_of_a_page_that_is_gone_or_damaged_is_not_trusted(pool: Path) -> None:
    index = PageIndex(pool, RunFiles(pool))
    (stretch,) = index.store([(0x1000, page(1))])
    file = RunFiles(pool).file(stretch.run)
    file.chmod(0o644)
    file.write_bytes(page(7))
    (other,) = index.store([(0x1000, page(1)), (0x2000, page(2))])[:1]
    assert RunFiles(pool).file(other.run).read_bytes()[other.first * 4096 :][:4096] == page(1)


def test_records_of_collected_runs_are_dropped(pool: Path) -> None:
    index = PageIndex(pool, RunFiles(pool))
    index.store([(0x1000, page(1))])
    index.forget(set())
    assert list((pool / "pages").glob("*/*")) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"abc", b"\xff\xfe", b"0" * 64 + b" 1", b"0" * 64 + b" " + b"9" * 30 + b"\n", b"../../x 0\n", bytes(70)],
)
def test_a_damaged_record_is_none(pool: Path, content: bytes) -> None:
    index = PageIndex(pool, RunFiles(pool))
    (stretch,) = index.store([(0x1000, page(1))])
    (record,) = (pool / "pages").glob("*/*")
    record.write_bytes(content)
    (again,) = index.store([(0x1000, page(1))])
    assert again.run == stretch.run and index._find(record.name) == (stretch.run, 0)
    record.write_bytes(content)
    index.forget({stretch.run})
    assert not record.exists()


@pytest.mark.parametrize("content", [b"", b"12345", bytes(32), bytes(31), b"x" * 33])
def test_a_damaged_secret_is_drawn_anew(tmp_path: Path, content: bytes) -> None:
    made = Pool.create(tmp_path / "pool")
    first = snapshots._secret(made)
    assert snapshots._secret(made) == first and len(first) == 32
    (made.folder / snapshots.SEED_FILE).chmod(0o600)
    (made.folder / snapshots.SEED_FILE).write_bytes(content)
    second = snapshots._secret(made)
    assert len(second) == 32 and second not in (first, content)
    assert snapshots._secret(made) == second
