"""What the global map held when it was last written, noted beside it: a map that lost its last lines reads as well as any other.

`global.map.seal` is a record (state.py) of the map's length and a digest chained over its lines. It is written after the map and read
before it, so a reader beside a writer never finds the map shorter than its seal. A map without one gets it when it next grows.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from unishare.errors import BadInputError
from unishare.state import read_record, write_record

_PAYLOAD = re.compile(rb"(\d{1,18}) ([0-9a-f]{64})")


@dataclass(frozen=True)
class Seal:
    """Whole lines of a map: their bytes, and the digest of each line behind the digest of all before it."""

    length: int = 0
    chain: bytes = b""

    def after(self, lines: bytes, noted: Seal | None = None) -> tuple[Seal, bool]:
        """The seal with further whole lines, and whether it was the `noted` one behind one of them."""
        end, met = self, False
        for line in lines.split(b"\n")[:-1]:
            end = Seal(end.length + len(line) + 1, hashlib.sha256(end.chain + line).hexdigest().encode())
            met = met or end == noted
        return end, met


def read_seal(file: Path) -> Seal | None:
    """What is noted of a map; None for one of before there were seals, or whose seal is damaged."""
    record = read_record(_seal(file))
    found = _PAYLOAD.fullmatch(record) if record is not None else None
    return Seal(int(found[1]), found[2]) if found else None


def write_seal(file: Path, seal: Seal) -> None:
    """Note what a map holds."""
    write_record(_seal(file), b"%d %s" % (seal.length, seal.chain))


def remove_seal(file: Path) -> None:
    """Forget what was noted of a map that is not there any more."""
    _seal(file).unlink(missing_ok=True)


def refuse_broken(file: Path, noted: Seal, size: int) -> None:
    """Say that a map is not the one that was written."""
    lost = noted.length - size
    raise BadInputError(
        f"{file}: the global map {f'lost its last {lost} bytes' if lost > 0 else 'was changed'} since it was written",
        f"Restore {file.name} and {file.name}.seal together from a backup. Without one remove both: libraries get addresses anew, images "
        "run on, and those that are built again share among each other.",
    )


def _seal(file: Path) -> Path:
    return file.with_name(f"{file.name}.seal")
