"""The C compiler and linker of the machine: which they are, and the house flags that every object gets."""

from __future__ import annotations

import enum
import os
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from unishare.errors import HostLacksError
from unishare.toolchain.tools.commands import Tools


class Variant(enum.StrEnum):
    """How a library's objects are compiled: what a layout needs of them."""

    WHOLE = "whole"
    DCE = "dce"
    PIC = "pic"


# Why these: a large frame touches each page of the stack, so that the guard page cannot be jumped over; absolute code in the low 2 GiB (no GOT, no PLT); no unwind tables and no stack protector, which freestanding C
# does not use and which would be loaded bytes; -g1 for source lines, which are not; nothing that depends on the day, the
# folder or the host's own headers.
HOUSE_FLAGS = (
    "-O2", "-g1", "-pipe", "-nostdinc", "-fno-pic", "-fno-pie", "-mcmodel=small", "-fno-common", "-fno-ident",
    "-gno-record-gcc-switches", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-fno-stack-protector", "-fstack-clash-protection", "-fcf-protection=none", "-fno-lto",
    "-U_FORTIFY_SOURCE", "-Wa,--noexecstack", "-fdiagnostics-color=never",
)  # fmt: skip
LANGUAGE_FLAGS = {"c": (), "c++": ("-nostdinc++", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-fno-gnu-unique")}
# PIC: what a library calls of others it calls through its own linkage table (-fno-plt); what it calls of itself
# it calls directly, for the linker binds it (module.py).
VARIANT_FLAGS = {
    Variant.WHOLE: (),
    Variant.DCE: ("-ffunction-sections", "-fdata-sections"),
    Variant.PIC: ("-fPIC", "-fno-plt", "-fno-semantic-interposition", "-ftls-model=initial-exec"),
}


@dataclass(frozen=True)
class Compiler:
    """GCC and GNU ld as found on the search path."""

    tools: Tools
    drivers: tuple[tuple[str, str], ...] = (("c", "gcc"), ("c++", "g++"))
    ld: str = "ld"
    ar: str = "ar"
    assembler: str = "as"
    objcopy: str = "objcopy"

    def driver(self, language: str) -> str:
        """The program that compiles a language."""
        return dict(self.drivers)[language]

    @cached_property
    def identity(self) -> str:
        """What the objects of this compiler depend on: its own version text and the binutils'."""
        return "\n".join(self._first_line([name, "--version"]) for name in (self.driver("c"), self.ld, "as"))

    @cached_property
    def include(self) -> Path:
        """The folder of the compiler's own headers (intrinsics and the like)."""
        return Path(self._first_line([self.driver("c"), "-print-file-name=include"]))

    def file(self, name: str) -> Path | None:
        """A file that belongs to the compiler, such as its runtime archive."""
        path = Path(self._first_line([self.driver("c"), f"-print-file-name={name}"]))
        return path if path.is_absolute() and path.is_file() else None

    def _first_line(self, command: list[str]) -> str:
        if shutil.which(command[0], path=self.tools.environment["PATH"]) is None:
            raise HostLacksError(f"the program {command[0]!r} is not installed", "Run `make setup`.")
        _, output = self.tools.run(command)
        return output.split(os.linesep, 1)[0].strip()
