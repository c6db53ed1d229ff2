"""An initial root file system: a cpio archive in the format `newc` (Linux, driver-api/early-userspace/buffer-format.rst)."""

from __future__ import annotations

import stat
from pathlib import Path

CONSOLE = (5, 1)
MAGIC = b"070701"
END = "TRAILER!!!"


class Initrd:
    """An archive in the making."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._folders: set[str] = set()
        self._number = 0
        self._node("dev/console", stat.S_IFCHR | 0o600, b"", CONSOLE)

    def file(self, name: str, content: bytes, mode: int = 0o644) -> None:
        """A file of this content."""
        self._node(name, stat.S_IFREG | mode, content)

    def copy(self, name: str, source: Path) -> None:
        """A file as it is on this machine, links followed."""
        self.file(name, source.read_bytes(), source.stat().st_mode & 0o777)

    def link(self, name: str, target: str) -> None:
        """A symbolic link."""
        self._node(name, stat.S_IFLNK | 0o777, target.encode())

    def folder(self, name: str) -> None:
        """A folder, and those above it."""
        for parent in [*reversed(Path(name).parents), Path(name)]:
            if str(parent) != "." and str(parent) not in self._folders:
                self._folders.add(str(parent))
                self._entry(str(parent), stat.S_IFDIR | 0o755, b"", (0, 0))

    def archive(self) -> bytes:
        """The whole archive."""
        parts, self._parts = self._parts, []
        self._entry(END, 0, b"", (0, 0))
        trailer, self._parts = self._parts, parts
        return b"".join([*parts, *trailer])

    def _node(self, name: str, mode: int, content: bytes, device: tuple[int, int] = (0, 0)) -> None:
        self.folder(str(Path(name).parent))
        self._entry(name, mode, content, device)

    def _entry(self, name: str, mode: int, content: bytes, device: tuple[int, int]) -> None:
        self._number += 1
        encoded = name.encode() + b"\0"
        # inode, mode, uid, gid, links, time, size, device of the file, device that it is, length of the name, no checksum
        fields = (self._number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(encoded), 0)
        head = MAGIC + b"".join(b"%08X" % field for field in fields) + encoded
        self._parts.append(_padded(head) + _padded(content))


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
