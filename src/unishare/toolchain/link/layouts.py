"""Layouts: how an image is linked, as exchangeable modules. The one list of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from unishare.formats.image import ImageFacts
from unishare.toolchain.link.aslr.module_layout import AslrLayout
from unishare.toolchain.link.fixed import aligned, compact
from unishare.toolchain.link.fixed.script_layout import ScriptLayout
from unishare.toolchain.link.job import LinkJob, Places, Site
from unishare.toolchain.map.global_map import GlobalMap
from unishare.toolchain.objects.cache import UnitObject
from unishare.toolchain.tools.commands import Tools
from unishare.toolchain.tools.compiler import Compiler, Variant


class Layout(Protocol):
    """What a layout is."""

    @property
    def name(self) -> str:
        """What users call it."""

    @property
    def variant(self) -> Variant:
        """How its objects are compiled."""

    def places(self, libraries: Sequence[UnitObject], global_map: GlobalMap, compiler: Compiler, tools: Tools) -> Places:
        """What the global map gives to libraries; new ones are placed in the order given."""

    def write(self, job: LinkJob, facts: ImageFacts, site: Site) -> None:
        """Write `image.elf` and `image.json` into the site's image folder."""


LAYOUTS: Mapping[str, Layout] = {
    "default": ScriptLayout("default", Variant.WHOLE, False, (), compact.script),
    "dce": ScriptLayout("dce", Variant.DCE, False, ("--gc-sections",), compact.script),
    "aligned": ScriptLayout("aligned", Variant.WHOLE, True, (), aligned.script),
    "aslr": AslrLayout(),
}
