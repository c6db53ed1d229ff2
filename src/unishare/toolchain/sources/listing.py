"""The listing of a source tree: what every file held when the tree was made, so that a damaged tree is noticed and made again."""

from __future__ import annotations

import json
import os
from pathlib import Path

from unishare.state import read_record, write_record
from unishare.toolchain.tools.digests import Digests

SUFFIX = ".listing"


def write_listing(fresh: Path, root: Path, digests: Digests) -> None:
    """Note the files of a finished tree that will have the name `root`."""
    write_record(_listing(root), json.dumps(_files(fresh, digests)).encode())


def is_whole(root: Path, digests: Digests) -> bool:
    """Whether a tree holds what it was made with. One made before there were listings is taken as it is."""
    if not root.is_dir():
        return False
    if not _listing(root).exists():
        return True
    record = read_record(_listing(root))
    return record is not None and json.loads(record) == _files(root, digests)


def _listing(root: Path) -> Path:
    return root.with_name(root.name + SUFFIX)


def _files(root: Path, digests: Digests) -> dict[str, str]:
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder) / name
            if path.is_file() and not path.is_symlink():
                found[str(path.relative_to(root))] = digests.file(path)
    return found
