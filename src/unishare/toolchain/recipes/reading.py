"""Reads the recipe files: TOML in, a checked `LibraryRecipe` or `AppRecipe` out; nobody else parses TOML.

An error names file, line and field of everything that is wrong in a file.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from unishare.errors import BadInputError, NotFoundError
from unishare.formats.bounded import RECIPE_BYTES, read_file
from unishare.toolchain.recipes.recipe import AppRecipe, LibraryRecipe
from unishare.toolchain.recipes.toml_lines import line_of_field

PROVIDERS = ("debian", "https", "crate", "sdist", "folder", "compiler")

_R = TypeVar("_R", LibraryRecipe, AppRecipe)
_M = TypeVar("_M", bound=BaseModel)


def load_library(file: Path) -> LibraryRecipe:
    """Read a library's recipe."""
    recipe = _load(file, LibraryRecipe)
    if recipe.name != file.stem:
        raise BadInputError(
            f"{file}:{line_of(file, recipe.name)}: field `name` is {recipe.name!r}, but the file is called {file.name}",
            "Let both agree.",
        )
    return recipe


def load_app(file: Path) -> AppRecipe:
    """Read an app's recipe."""
    return _load(file, AppRecipe)


def line_of(file: Path, word: str) -> int:
    """The line of a recipe that holds a quoted word (1 if none does): TOML parsers drop positions, people want them."""
    lines = _text(file).splitlines()
    quoted = re.compile(rf"""["']{re.escape(word)}["']""")
    return next((number for number, line in enumerate(lines, 1) if quoted.search(line)), 1)


def _load(file: Path, model: type[_R]) -> _R:
    recipe = load_toml(file, model, "docs/formats/recipe.md lists every field.")
    recipe.came_from(file)
    return recipe


def load_toml(file: Path, model: type[_M], hint: str) -> _M:
    """Read any file of a catalogue. Raises with every wrong field; the hint says where they are described."""
    try:
        data = tomllib.loads(_text(file))
    except FileNotFoundError:
        raise NotFoundError(f"{file}: no such file") from None
    except OSError as error:
        raise BadInputError(f"{file}: {error.strerror}") from None
    except RecursionError:
        raise BadInputError(f"{file}: not valid TOML: nested too deeply") from None
    except ValueError as error:  # of the syntax, the encoding, or a number with thousands of digits
        raise BadInputError(f"{file}: not valid TOML: {error}") from None
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise BadInputError(_explain(file, model, error), hint) from None


def _text(file: Path) -> str:
    return read_file(file, RECIPE_BYTES).decode("utf-8").replace("\r\n", "\n")


def _explain(file: Path, model: type[BaseModel], error: ValidationError) -> str:
    """Turn pydantic's list into lines that name file, line and field."""
    text = _text(file)
    lines = []
    for detail in error.errors():
        # pydantic puts the union's tag, the provider, behind `source`.
        loc = list(detail["loc"])
        parts = [part for number, part in enumerate(loc) if not (number == 1 and loc[0] == "source" and part in PROVIDERS)]
        if detail["type"].startswith("union_tag"):
            parts.append("provider")
        field = ".".join(part if isinstance(part, str) and part.isprintable() else repr(part) for part in parts)
        place = f"{file}:{line_of_field(text, parts)}"
        lines.append(f"{place}: field `{field}`: {_reason(model, parts, detail)}")
    return "\n".join(lines)


def _reason(model: type[BaseModel], parts: list[int | str], detail: Any) -> str:
    if detail["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(parts[-1]), _fields_at(model, parts[:-1]), n=1)
        if near == [parts[-1]]:
            return "does not go with the provider"
        return "unknown field" + (f"; did you mean `{near[0]}`?" if near else "")
    if detail["type"] == "missing":
        return "missing"
    if detail["type"] == "union_tag_not_found":
        return "the provider is missing: say `provider = ...`"
    if detail["type"] == "union_tag_invalid":
        return f"unknown provider {detail['ctx']['tag']!r}: give one of {detail['ctx']['expected_tags']}"
    message = str(detail["msg"]).removeprefix("Value error, ")
    return message[0].lower() + message[1:]


def _fields_at(model: type[BaseModel], parts: list[int | str]) -> list[str]:
    """The names that are known at a place in a recipe."""
    known: list[type[BaseModel]] = [model]
    for part in parts:
        if isinstance(part, str):
            found = [known_model.model_fields[part].annotation for known_model in known if part in known_model.model_fields]
            known = [inner for annotation in found for inner in _models_in(annotation)]
    return sorted({name for known_model in known for name in known_model.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in getattr(annotation, "__args__", ()) for model in _models_in(argument)]
