"""Layouts: how an image is linked, as exchangeable modules. Each gives the linker script for one image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from unishare.toolchain.compiler import Variant
from unishare.toolchain.layouts import aligned, compact
from unishare.toolchain.layouts.contents import Contents


class Layout(Protocol):
    """What a layout is."""

    @property
    def name(self) -> str:
        """What users call it."""

    @property
    def variant(self) -> Variant:
        """How its objects are compiled."""

    @property
    def needs_map(self) -> bool:
        """Whether libraries have windows."""

    @property
    def linker_flags(self) -> tuple[str, ...]:
        """What the linker is told beside the script."""

    def script(self, contents: Contents) -> str:
        """The linker script for an image of these contents."""


LAYOUTS: Mapping[str, Layout] = {
    "default": compact.Compact("default", Variant.WHOLE, ()),
    "dce": compact.Compact("dce", Variant.DCE, ("--gc-sections",)),
    "aligned": aligned.Aligned(),
}
