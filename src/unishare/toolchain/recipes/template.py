"""Languages: what a new project is made from. `languages/<name>/language.toml` and the files beside it in `template/`.

In: a folder of a catalogue. Out: a project folder, written as a whole. `unishare init` calls this; it knows no language by name.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from unishare.errors import BadInputError, NotFoundError
from unishare.toolchain.recipes.catalog import Catalog, unknown
from unishare.toolchain.recipes.reading import load_toml
from unishare.toolchain.recipes.texts import Name, SourcePath
from unishare.unfinished import unfinished_folder

FILE_NAME = "language.toml"
TEMPLATE = "template"
PLACEHOLDER = "@NAME@"


class LanguageTemplate(BaseModel):
    """`language.toml`: `handler` is the file of the template that its users write."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="Language")

    name: Name
    summary: str
    handler: SourcePath


def languages(catalog: Catalog) -> dict[str, Path]:
    """The folders of all languages by name; those of a project before the package's."""
    found: dict[str, Path] = {}
    for folder in catalog.folders:
        for file in sorted((folder / "languages").glob(f"*/{FILE_NAME}")):
            found.setdefault(file.parent.name, file.parent)
    return found


def load(catalog: Catalog, name: str) -> tuple[LanguageTemplate, Path]:
    """A language and its folder."""
    known = languages(catalog)
    if name not in known:
        raise unknown("language", name, sorted(known))
    file = known[name] / FILE_NAME
    language = load_toml(file, LanguageTemplate, "docs/formats/language.md lists every field.")
    if language.name != name:
        raise BadInputError(f"{file}: field `name` is {language.name!r}, but its folder is called {name}", "Let both agree.")
    if not (known[name] / TEMPLATE / language.handler).is_file():
        raise NotFoundError(f"{file}: field `handler`: {TEMPLATE}/{language.handler} does not exist")
    return language, known[name]


def write_project(folder: Path, language: Path) -> None:
    """Make a project named like its folder from a language's template. Nothing is left where that fails."""
    name = _checked(folder.name)
    if folder.is_symlink() or folder.exists():
        raise BadInputError(f"{folder} exists already", "Choose another name, or remove it first.")
    if not folder.parent.is_dir():
        raise NotFoundError(f"{folder.parent} is not a folder", "A project is made in a folder that exists.")
    with unfinished_folder(folder.parent) as temporary:
        fresh = temporary / name
        fresh.mkdir()
        for file in _files(language / TEMPLATE):
            target = fresh / file.relative_to(language / TEMPLATE)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes().replace(PLACEHOLDER.encode(), name.encode()))
        fresh.rename(folder)


def _files(template: Path) -> list[Path]:
    return sorted(path for path in template.rglob("*") if path.is_file())


def _checked(name: str) -> str:
    try:
        return TypeAdapter(Name).validate_python(name)
    except ValidationError:
        raise BadInputError(
            f"{name!r} cannot be the name of an app",
            "Use up to 64 lower-case letters, digits and . _ + -, beginning with a letter or digit.",
        ) from None
