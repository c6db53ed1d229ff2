"""What is kept of a crash is read back, or is said to be damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from unishare.errors import BadInputError
from unishare.fleet.crash import read_evidence


def test_what_was_kept_is_read_and_what_was_not_is_none(tmp_path: Path) -> None:
    (tmp_path / "one-1.crash.json").write_text('{"signal": 11}')
    assert read_evidence(tmp_path, "one-1") == {"signal": 11}
    assert read_evidence(tmp_path, "one-2") is None
    assert read_evidence(tmp_path / "deeper", "../one-1") is None


@pytest.mark.parametrize("content", [b"", b'{"signal": 1', b"[1]", bytes(40), b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_record_is_said_to_be_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "one-1.crash.json").write_bytes(content)
    with pytest.raises(BadInputError, match=r"one-1\.crash\.json is damaged"):
        read_evidence(tmp_path, "one-1")
