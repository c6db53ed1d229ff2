"""Snapshots: what is written is read again, a file of version 1 stays readable, and what contradicts itself is refused with its field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unishare.errors import BadInputError, NotFoundError
from unishare.formats.snapshot import Snapshot, snapshots_of

GOLDEN = Path(__file__).parent / "golden" / "snapshot-1.json"


def test_the_golden_file_is_read_and_written_byte_for_byte() -> None:
    assert Snapshot.read(GOLDEN).to_text() == GOLDEN.read_text()


def test_a_snapshot_of_before_says_nothing_of_first_writes_and_is_written_without() -> None:
    data = json.loads(GOLDEN.read_text())
    del data["first_writes"]
    assert "first_writes" not in Snapshot.parse(json.dumps(data).encode(), "snapshot.json").to_text()


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("version",), 2, "version"),
        (("surprise",), 1, "surprise"),
        (("format",), "unishare-manifest", "format"),
        (("image",), "short", "image"),
        (("waiting", "rsp"), 5, "waiting.rsp"),
        (("waiting", "mxcsr"), 1 << 16, "waiting.mxcsr"),
        (("pages", 0, "address"), "0x405001", "not the start of a page"),
        (("pages", 0, "pages"), 0, "pages.0.pages"),
        (("pages", 1, "address"), "0x405000", "overlap"),
        (("first_writes", 0, "address"), "0x405001", "not the start of a page"),
        (("first_writes", 0, "pages"), 0, "first_writes.0.pages"),
        (("first_writes", 0, "pages"), 128, "129 pages, more than 128"),
        (("first_writes", 1, "address"), "0x406000", "overlap"),
        (("first_writes", 0, "run"), "", "first_writes.0.run"),
        (("draw",), {"modules": ["0x1000"]}, "draw.instance"),
    ],
)
def test_contradictions_are_refused(place: tuple[Any, ...], value: Any, said: str) -> None:
    data = json.loads(GOLDEN.read_text())
    at = data
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    with pytest.raises(BadInputError, match=said):
        Snapshot.parse(json.dumps(data).encode(), "snapshot.json")


def test_files_come_by_number(tmp_path: Path) -> None:
    folder = tmp_path / "snapshots"
    folder.mkdir()
    for number in (10, 2, 0):
        (folder / f"{number}.json").write_text("")
    assert [file.stem for file in snapshots_of(tmp_path / "manifest.json")] == ["0", "2", "10"]
    assert snapshots_of(tmp_path / "elsewhere" / "manifest.json") == []
    with pytest.raises(NotFoundError):
        Snapshot.read(tmp_path / "none.json")
