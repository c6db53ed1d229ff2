"""Where unishare keeps its files: one folder, `$UNISHARE_HOME`, by default `~/.local/share/unishare` (XDG_DATA_HOME).

Every stage gets a `Settings` and asks it for paths, so that tests and tenants can work in folders of their own.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """The folders of one unishare home."""

    home: Path

    @classmethod
    def from_environment(cls) -> Settings:
        """Take `UNISHARE_HOME`, else `XDG_DATA_HOME/unishare`, else `~/.local/share/unishare`."""
        if home := os.environ.get("UNISHARE_HOME"):
            return cls(Path(home).absolute())
        data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
        return cls(Path(data).absolute() / "unishare")

    @property
    def sources(self) -> Path:
        """Downloaded and verified source archives, and the trees prepared from them."""
        return self.home / "sources"

    @property
    def objects(self) -> Path:
        """The content-addressed cache of objects and library objects."""
        return self.home / "objects"

    @property
    def global_map(self) -> Path:
        """The append-only global map."""
        return self.home / "global.map"

    @property
    def pool(self) -> Path:
        """The pool of page runs."""
        return self.home / "pool"

    @property
    def images(self) -> Path:
        """Image folders: `<layout>/<app>/{image.elf,image.json,manifest.json}`."""
        return self.home / "images"

    @property
    def run(self) -> Path:
        """Sockets and logs of running launchers."""
        return self.home / "run"

    def image_folder(self, layout: str, app: str) -> Path:
        """The folder of one image."""
        return self.images / layout / app
