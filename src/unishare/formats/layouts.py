"""The names of the layouts: how images are linked. The one list of them; `toolchain/link/layouts.py` says what each does."""

from __future__ import annotations

from typing import Literal, get_args

LayoutName = Literal["default", "dce", "aligned", "aslr"]
LAYOUTS: tuple[LayoutName, ...] = get_args(LayoutName)
DEFAULT_LAYOUT: LayoutName = "aslr"
