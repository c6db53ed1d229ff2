"""What an image folder was made from, and whether its files are still those that were written: is it fresh?

`.key` is a record (state.py) of the key and of each file's size and digest. Modules are links to cached files that were synced when
they were made, so their sizes say enough; the rest is small and read. A damaged folder is not fresh: the next build makes it again.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from unishare.formats.image import MANIFEST_NAME
from unishare.state import read_record, record_bytes

KEY_NAME = ".key"
MODULES = "modules"
_State = dict[str, tuple[int, str]]


def write_key(folder: Path, key: str) -> None:
    """Note the key of a finished folder that nobody sees yet."""
    payload = json.dumps({"key": key, "files": _files(folder)}, sort_keys=True)
    (folder / KEY_NAME).write_bytes(record_bytes(payload.encode()))


def has_key(folder: Path, key: str) -> bool:
    """Whether a folder was made from this key and has all that it was made with."""
    record = read_record(folder / KEY_NAME)
    if record is None:
        return False
    noted = json.loads(record)
    if noted["key"] != key:
        return False
    try:
        return {name: tuple(state) for name, state in noted["files"].items()} == _files(folder)
    except OSError:
        return False


def _files(folder: Path) -> _State:
    """Size and digest of what the link wrote; the manifest is the pool's, which knows it by its own digest."""
    found = {}
    for file in folder.rglob("*"):
        name = str(file.relative_to(folder))
        if file.is_file() and name not in (KEY_NAME, MANIFEST_NAME) and not file.name.startswith("."):
            digest = "" if name.startswith(f"{MODULES}/") else hashlib.sha256(file.read_bytes()).hexdigest()
            found[name] = (file.stat().st_size, digest)
    return found
