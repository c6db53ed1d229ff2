"""docs/architecture.md and the tree agree: each room and folder has its line, and each file that is named is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "unishare"
MONITOR = ROOT / "monitor" / "src"
TEXT = (ROOT / "docs" / "architecture.md").read_text()
# Not Python and not part of the order of rooms: they have sections of their own.
DATA = {"catalog", "guest"}
# A folder of one module and its tests.
ABI = "abi"


def table(head: str) -> list[list[str]]:
    """The rows of the table that begins with this head: the names in backticks of each first cell."""
    lines = TEXT[TEXT.index(head) :].splitlines()[2:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append(re.findall(r"`([^`]+)`", line.split("|")[1]))
    return rows


def folders(top: Path) -> set[str]:
    """Folders with sources in them."""
    return {child.name for child in top.iterdir() if child.is_dir() and not child.name.startswith("__")}


def test_each_room_has_a_line_and_each_line_a_room() -> None:
    named = {name for row in table("| room | job |") for name in row}
    missing = {name for name in named if not (PACKAGE / name).is_dir() and not (PACKAGE / f"{name}.py").is_file()}
    assert missing == set()
    rooms = (folders(PACKAGE) - DATA - {"toolchain"}) | {f"toolchain/{name}" for name in folders(PACKAGE / "toolchain")}
    assert rooms - named == set()
    modules = {file.stem for file in PACKAGE.glob("*.py") if not file.stem.startswith("__")}
    assert modules - named == set()


def test_each_folder_of_the_monitor_has_a_line_and_each_line_a_folder() -> None:
    named = {name for row in table("| folder of `monitor/src` | job |") for name in row}
    assert {name for name in named if not (MONITOR / name).is_dir()} == set()
    assert folders(MONITOR) - {name.partition("/")[0] for name in named} == {ABI}


def test_each_file_to_open_is_there() -> None:
    rows = TEXT[TEXT.index("| to change | open |") :].partition("\n\n")[0].splitlines()[2:]
    assert len(rows) > 10
    for row in rows:
        below = PACKAGE
        for name in re.findall(r"`([^`]+)`", row.split("|")[2]):
            found = any((top / name).exists() for top in (PACKAGE, below, ROOT, MONITOR))
            if (PACKAGE / name).exists():
                below = (PACKAGE / name).parent
            assert found, f"{name} of: {row}"
