"""`unishare map --check` reads images that others may have made."""

from __future__ import annotations

from pathlib import Path

import pytest

from unishare.errors import BadInputError, NotFoundError
from unishare.toolchain.map.check import agreement
from unishare.toolchain.map.global_map import MapState


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"name": "x"}', b"\xff\xfe", bytes(100)])
def test_a_damaged_image_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "image.json").write_bytes(content)
    with pytest.raises(BadInputError, match=r"image\.json"):
        agreement(tmp_path, MapState())


def test_a_folder_that_is_no_image_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"image\.json"):
        agreement(tmp_path, MapState())
