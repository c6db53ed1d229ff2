"""Layouts: how an image is linked, as exchangeable modules. The one list of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from unishare.toolchain.aslr.layout import AslrLayout
from unishare.toolchain.compiler import Variant
from unishare.toolchain.image import ImageFacts
from unishare.toolchain.layouts import aligned, compact
from unishare.toolchain.link import LinkJob, ScriptLayout, Site


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

    def write(self, job: LinkJob, facts: ImageFacts, site: Site) -> None:
        """Write `image.elf` and `image.json` into the site's image folder."""


LAYOUTS: Mapping[str, Layout] = {
    "default": ScriptLayout("default", Variant.WHOLE, False, (), compact.script),
    "dce": ScriptLayout("dce", Variant.DCE, False, ("--gc-sections",), compact.script),
    "aligned": ScriptLayout("aligned", Variant.WHOLE, True, (), aligned.script),
    "aslr": AslrLayout(),
}
