"""The listing of a source tree: what every file held when the tree was made, so that a damaged tree is noticed and made again."""

from __future__ import annotations

import json
import os
from pathlib import Path

from unishare.state import read_record, record_bytes
from unishare.toolchain.tools.digests import Digests

LISTING_NAME = ".unishare-tree"


def write_listing(root: Path, digests: Digests) -> None:
    """Note the files of a tree that nobody uses yet."""
    (root / LISTING_NAME).write_bytes(record_bytes(json.dumps(_files(root, digests)).encode()))


def is_whole(root: Path, digests: Digests) -> bool:
    """Whether a tree holds what it was made with. One made before there were listings is taken as it is."""
    if not root.is_dir():
        return False
    if not (root / LISTING_NAME).exists():
        return True
    record = read_record(root / LISTING_NAME)
    return record is not None and json.loads(record) == _files(root, digests)


def _files(root: Path, digests: Digests) -> dict[str, str]:
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder) / name
            if name != LISTING_NAME and path.is_file() and not path.is_symlink():
                found[str(path.relative_to(root))] = digests.file(path)
    return found
