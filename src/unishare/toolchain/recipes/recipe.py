"""The recipe files: what a library and an app are made of (docs/formats/recipe.md).

In: a TOML file. Out: a `LibraryRecipe` or an `AppRecipe`, checked. The catalogue calls this; nobody else parses TOML.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    model_validator,
)

from unishare.errors import BadInputError, NotFoundError
from unishare.formats.addresses import PAGE
from unishare.formats.bounded import RECIPE_BYTES, read_file
from unishare.formats.sizes import parse_size
from unishare.toolchain.recipes.texts import (
    Argument,
    FileName,
    FolderPath,
    GuestPath,
    Line,
    Name,
    PackageName,
    Pattern,
    RegistryName,
    RegistryVersion,
    Sha256,
    SourcePath,
    Symbol,
    Url,
    VariableName,
    Version,
)
from unishare.toolchain.recipes.toml_lines import line_of_field


def _bytes(value: Any) -> Any:
    """A size may be text with a unit."""
    return parse_size(value) if isinstance(value, str) else value


def _page_multiple(value: int) -> int:
    if value % PAGE:
        raise ValueError(f"{value} is not a multiple of {PAGE}")
    return value


PageBytes = Annotated[
    int, BeforeValidator(_bytes, json_schema_input_type=int | str), Field(gt=0, lt=1 << 40), AfterValidator(_page_multiple)
]
Language = Literal["c", "c++"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DebianSource(_Model):
    """The upstream tarball of a Debian source package."""

    provider: Literal["debian"]
    package: PackageName
    file: FileName
    sha256: Sha256


class HttpsSource(_Model):
    """A tarball at an HTTPS address."""

    provider: Literal["https"]
    url: Url
    sha256: Sha256


class FolderSource(_Model):
    """A folder beside the recipe, used as it is."""

    provider: Literal["folder"]
    path: FolderPath


class _RegistrySource(_Model):
    """One version of a package, or a folder of its files."""

    name: RegistryName
    version: RegistryVersion
    sha256: Sha256
    folder: SourcePath = "."


class CrateSource(_RegistrySource):
    """A crate, as cargo fetches it."""

    provider: Literal["crate"]

    @property
    def file(self) -> str:
        """The archive's name."""
        return f"{self.name}-{self.version}.crate"


class SdistSource(_RegistrySource):
    """The source distribution of a Python project, as pip finds it."""

    provider: Literal["sdist"]

    @property
    def file(self) -> str:
        """The archive's name in the cache, whatever its ending was."""
        return f"{self.name}-{self.version}.sdist"


class CompilerSource(_Model):
    """Members of an archive that belongs to the compiler, such as its runtime library."""

    provider: Literal["compiler"]
    archive: FileName


Source = Annotated[
    DebianSource | HttpsSource | CrateSource | SdistSource | FolderSource | CompilerSource, Field(discriminator="provider")
]
PROVIDERS = ("debian", "https", "crate", "sdist", "folder", "compiler")


class Prepare(_Model):
    """Commands that run once in a private copy of the source tree."""

    commands: list[Annotated[list[Argument], Field(min_length=1)]] = []


class LibraryBuild(_Model):
    """Which files a library is compiled from, and how."""

    language: Language = "c"
    files: list[SourcePath] = []
    exclude: list[SourcePath] = []
    include: list[SourcePath] = []
    public_include: list[SourcePath] = []
    headers: Name | None = None
    defines: list[Argument] = []
    flags: list[Argument] = []
    forced_include: list[SourcePath] = []
    overlay: list[SourcePath] = []
    public_overlay: list[SourcePath] = []


class LibraryLink(_Model):
    """What must be in an image beside the library."""

    needs: list[Name] = []
    allow_undefined: list[Symbol] = []


class AppBuild(_Model):
    """Which files of its folder an app is compiled from, and how."""

    language: Language = "c"
    files: list[SourcePath] = ["*.c"]
    exclude: list[SourcePath] = []
    include: list[SourcePath] = []
    defines: list[Argument] = []
    flags: list[Argument] = []


class AppRun(_Model):
    """How an instance of the app starts unless told otherwise."""

    argv: list[Argument] | None = None
    env: dict[VariableName, Argument] = {}
    heap: PageBytes = 16 << 20
    stack: PageBytes = 256 << 10


class LibraryRun(_Model):
    """What an instance gets at least if the library is in its image and the app's recipe says nothing else."""

    heap: PageBytes | None = None
    stack: PageBytes | None = None


class LibraryCheck(_Model):
    """The app that looks at the files of every function of this library when it is built."""

    app: Name


class AppSnapshot(_Model):
    """The snapshots that a build takes of an app: how many (None: as many as its layout usually gets), and after which requests."""

    count: Annotated[int, Field(ge=0, le=256)] | None = None
    warm: list[SourcePath] = []


class Example(_Model):
    """One request and what must be answered."""

    request: str | None = None
    request_file: SourcePath | None = None
    request_hex: Annotated[str, StringConstraints(pattern=r"^([0-9a-fA-F]{2})*$")] | None = None
    answer: str | None = None
    answer_file: SourcePath | None = None
    answer_hex: Annotated[str, StringConstraints(pattern=r"^([0-9a-fA-F]{2})*$")] | None = None
    answer_pattern: Pattern | None = None
    round_trip: str | bool | None = None
    status: Annotated[int, Field(ge=0, le=255)] = 0


class Work(_Model):
    """A long request, for measuring speed: `head`, then `body` as often as `times` says with its number for `{n}`, then `tail`."""

    head: str = ""
    body: str = ""
    times: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    tail: str = ""

    @property
    def request(self) -> bytes:
        """The whole request."""
        middle = "".join(self.body.replace("{n}", str(number)) for number in range(self.times))
        return f"{self.head}{middle}{self.tail}".encode()


class _Recipe(_Model):
    name: Name
    _file: Path = PrivateAttr()

    @property
    def file(self) -> Path:
        """The file that the recipe was read from."""
        return self._file

    @property
    def folder(self) -> Path:
        """The folder that the recipe's own paths are relative to."""
        return self._file.parent


class LibraryRecipe(_Recipe):
    """`libraries/<name>.toml`."""

    version: Version
    license: Line
    summary: Line = ""
    homepage: Line = ""
    source: Source
    prepare: Prepare = Prepare()
    build: LibraryBuild = LibraryBuild()
    link: LibraryLink = LibraryLink()
    # Patterns of headers and symbols that do not begin with its name: messages name the library by them, unpacked or not.
    provides: list[Symbol] = []
    run: LibraryRun = LibraryRun()
    check: LibraryCheck | None = None


class Database(_Model):
    """A file in the guest that is an SQLite database made from SQL text beside the recipe."""

    sqlite: SourcePath


class FileSet(_Model):
    """Files of the app's folder by patterns: each lies in the guest where it lies in that folder."""

    glob: Annotated[list[SourcePath], Field(min_length=1)]
    exclude: list[SourcePath] = []


class AppRecipe(_Recipe):
    """`apps/<name>/app.toml`."""

    summary: Line = ""
    license: Line = ""
    libraries: list[Name] = []
    build: AppBuild = AppBuild()
    files: dict[GuestPath, SourcePath | Database | FileSet] = {}
    run: AppRun = AppRun()
    state: Literal["kept", "none"] = "kept"
    snapshot: AppSnapshot | None = None
    example: list[Example] = []
    work: Work | None = None

    @model_validator(mode="after")
    def _check_files(self) -> AppRecipe:
        for path in self.files:
            above = next((other for other in self.files if path.startswith(f"{other}/")), None)
            if above is not None:
                raise ValueError(f"files: {above!r} is a file, so {path!r} cannot lie in it")
        return self

    @property
    def argv(self) -> list[str]:
        """The argument vector an instance starts with."""
        return self.run.argv or [self.name]

    @property
    def wanted_snapshots(self) -> AppSnapshot | None:
        """Its snapshots; without a word, those of an app without code of its own, for the start of its interpreter is work, and of one that
        keeps nothing between requests: an instance that returns to its snapshot has next to no memory of its own."""
        if self.snapshot is None:
            return AppSnapshot() if self.state == "none" or not self.build.files else None
        return None if self.snapshot.count == 0 else self.snapshot


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
    recipe._file = file.absolute()
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
