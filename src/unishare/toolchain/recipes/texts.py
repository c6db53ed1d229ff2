"""The texts of a recipe: what each may hold, so that whatever is written of it later, to files, commands and terminals, can be read back."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

GUEST_PATH_BYTES = 100


def _without_nul(text: str) -> str:
    """The end of a text in C: no argument, variable or path can hold it."""
    if "\0" in text:
        raise ValueError("a zero byte cannot be part of it")
    return text


def _one_line(text: str) -> str:
    if any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in text):
        raise ValueError(f"{text!r} is not one line without control characters")
    return text


def _inside(path: str) -> str:
    """Refuse a path that leaves the folder it is relative to."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts:
        raise ValueError(f"{path!r} lies outside its source: give a path inside it, without '..'")
    if not path:
        raise ValueError("an empty path names nothing: '.' is the folder itself")
    return path


def _guest_path(path: str) -> str:
    if not path.startswith("/") or ".." in PurePosixPath(path).parts or len(path.encode()) > GUEST_PATH_BYTES:
        raise ValueError(f"{path!r} is not an absolute path of at most {GUEST_PATH_BYTES} bytes in the guest")
    if str(PurePosixPath(path)) != path or path.startswith("//") or path == "/":
        raise ValueError(f"{path!r} is no file's path in its shortest form, such as '/app/data'")
    return path


def _variable(name: str) -> str:
    if not name or "=" in name:
        raise ValueError(f"{name!r} cannot be the name of a variable")
    return name


def _pattern(text: str) -> str:
    try:
        re.compile(text.encode())
    except re.error as error:
        raise ValueError(f"{text!r} is not a regular expression: {error}") from None
    return text


def _version(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z.+~:_-]{0,63}", text):
        raise ValueError(
            f"{text!r} is no version: up to 64 letters and digits of ASCII and . + ~ : _ -, beginning with a letter or digit"
        )
    return text


def _file_name(text: str) -> str:
    if "/" in text or text in ("", ".", "..") or text.startswith("-"):
        raise ValueError(f"{text!r} is no file's name")
    return text


Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._+-]{0,63}$")]
Version = Annotated[str, AfterValidator(_version)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
# Debian policy 5.6.1: names of source packages.
PackageName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+.-]{1,127}$")]
# Names and versions as the registries of Rust and Python have them; both become part of a file that their client reads.
RegistryName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?$")]
RegistryVersion = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+!_-]{0,63}$")]
FileName = Annotated[str, AfterValidator(_one_line), AfterValidator(_file_name)]
Url = Annotated[str, StringConstraints(pattern=r"^https://[!-~]+$", max_length=2000)]
Symbol = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,4096}$")]
SourcePath = Annotated[str, AfterValidator(_without_nul), AfterValidator(_inside)]
FolderPath = Annotated[str, AfterValidator(_without_nul)]
GuestPath = Annotated[str, AfterValidator(_without_nul), AfterValidator(_guest_path)]
# An argument of a command or a program, or the value of a variable.
Argument = Annotated[str, AfterValidator(_without_nul)]
VariableName = Annotated[str, AfterValidator(_without_nul), AfterValidator(_variable)]
# For people: shown in tables.
Line = Annotated[str, AfterValidator(_one_line)]
Pattern = Annotated[str, AfterValidator(_pattern)]
