"""Recipes: what a library and an app are made of (docs/formats/recipe.md). `reading.py` makes them from files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    model_validator,
)

from unishare.formats.addresses import PAGE
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
    # A file of function names, one a line: their code comes first, in this order.
    order: SourcePath | None = None


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

    def came_from(self, file: Path) -> None:
        """Say which file it was read from."""
        self._file = file.absolute()


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
