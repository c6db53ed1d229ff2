"""Debian's stock kernel for virtual machines: its package is downloaded and unpacked, not installed.

Out: the kernel's image and the modules that a KVM host needs, in a folder that is kept.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

META_PACKAGE = "linux-image-amd64"
# In the order in which they are loaded.
MODULES = ("ccp.ko", "irqbypass.ko", "kvm.ko", "kvm-amd.ko", "kvm-intel.ko")
TIME_LIMIT_S = 300


class UnavailableError(Exception):
    """The kernel cannot be had here; the text says why."""


@dataclass(frozen=True)
class Kernel:
    """A kernel's image and modules, uncompressed."""

    image: Path
    modules: tuple[Path, ...]


def kernel(cache: Path) -> Kernel:
    """The kernel, from the cache or from Debian's archive by apt."""
    image = cache / "vmlinuz"
    if not image.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache.parent) as temporary:
            _unpack(Path(temporary))
            shutil.rmtree(cache, ignore_errors=True)
            (Path(temporary) / "kernel").rename(cache)
    return Kernel(image, tuple(path for name in MODULES if (path := cache / name).exists()))


def _unpack(folder: Path) -> None:
    """Fill `folder/kernel`."""
    listed = _run(folder, "apt-cache", "depends", META_PACKAGE)
    package = re.search(r"Depends: (linux-image-\S+)", listed)
    if package is None:
        raise UnavailableError(f"apt knows no {META_PACKAGE}: 'apt-get update' may help")
    _run(folder, "apt-get", "download", "-qq", package[1])
    (archive,) = folder.glob("*.deb")
    _run(folder, "dpkg-deb", "-x", str(archive), "tree")
    ready = folder / "kernel"
    ready.mkdir()
    for name in MODULES:
        for found in (folder / "tree").rglob(f"{name}*"):
            shutil.copy(found, ready / found.name)
            if found.suffix == ".xz":
                _run(ready, "xz", "-d", found.name)
    (image,) = (folder / "tree" / "boot").glob("vmlinuz-*")
    shutil.copy(image, ready / "vmlinuz")


def _run(folder: Path, *command: str) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{command[0]}: {error}") from error
    if done.returncode:
        raise UnavailableError(f"{' '.join(command)}: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout
