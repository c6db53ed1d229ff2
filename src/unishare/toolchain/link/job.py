"""What a layout is given to link: the objects, their places in the global map, and where and with what to work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unishare.toolchain.map.frame_space import FrameWindows
from unishare.toolchain.map.global_map import Windows
from unishare.toolchain.objects.cache import UnitObject
from unishare.toolchain.tools.commands import Tools
from unishare.toolchain.tools.compiler import Compiler


@dataclass(frozen=True)
class Places:
    """What the global map says of libraries, by digest: addresses for fixed layouts, places in frames for aslr."""

    windows: Mapping[str, Windows] = field(default_factory=dict)
    frames: Mapping[str, FrameWindows] = field(default_factory=dict)

    def of(self, library: UnitObject) -> dict[str, int]:
        """One library's addresses, by kind."""
        windows, frames = self.windows.get(library.digest, {}), self.frames.get(library.digest, {})
        return {kind.value: window.address for kind, window in [*windows.items(), *frames.items()]}


@dataclass(frozen=True)
class LinkJob:
    """One image to link. `app` is None for an app of data only."""

    name: str
    app: UnitObject | None
    libraries: Sequence[UnitObject]
    places: Places
    files: bytes

    @property
    def units(self) -> list[UnitObject]:
        """All objects of the image, the app's first."""
        return [*([self.app] if self.app else []), *self.libraries]


@dataclass(frozen=True)
class Site:
    """Where and with what a link runs: `work` is a temporary folder, `image` the image folder that is being made."""

    compiler: Compiler
    tools: Tools
    work: Path
    image: Path
