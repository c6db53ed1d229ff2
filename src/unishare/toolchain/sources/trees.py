"""Source trees: a verified archive unpacked, and prepared by upstream's own commands (configure, header generation).

A tree is made once per (archive, commands, compiler), in a temporary folder that is renamed when all went well, and never
written again.
"""

from __future__ import annotations

import errno
import lzma
import shutil
import tarfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from unishare.errors import BadInputError, BuildError, HostLacksError, NotFoundError
from unishare.settings import Settings
from unishare.state import mark_used, replace_folder
from unishare.toolchain.recipes.reading import line_of
from unishare.toolchain.recipes.recipe import CompilerSource, CrateSource, FolderSource, LibraryRecipe, SdistSource
from unishare.toolchain.sources.listing import is_whole, write_listing
from unishare.toolchain.sources.providers import Sources, compiler_archive, local_folder
from unishare.toolchain.sources.unpack import unpack
from unishare.toolchain.tools.commands import Tools
from unishare.toolchain.tools.compiler import Compiler
from unishare.toolchain.tools.digests import Digests, of_value
from unishare.unfinished import unfinished_folder

OUTPUT_LINES = 30
# What an archive has no part in: a full disk, a home that may not be written, too many open files.
HOSTS_MATTER = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
)


@dataclass(frozen=True)
class Tree:
    """A folder of sources and the digest of what it was made from."""

    root: Path
    digest: str


class Trees:
    """The trees of one home."""

    def __init__(self, settings: Settings, compiler: Compiler, tools: Tools, digests: Digests) -> None:
        self._folder = settings.sources / "trees"
        self._sources = Sources(settings.sources, tools)
        self._compiler = compiler
        self._tools = tools
        self._digests = digests
        self._whole: set[Path] = set()

    def of(self, recipe: LibraryRecipe) -> Tree:
        """The source tree of a library."""
        if isinstance(recipe.source, FolderSource) and not recipe.prepare.commands:
            folder = local_folder(recipe)
            return Tree(folder, self._digests.folder(folder))
        digest, root = self._place(recipe)
        if not root.is_dir():
            self._folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self._folder / f"{digest[:24]}.lock"):
                if not root.is_dir():
                    self._make(recipe, root)
        mark_used(root)
        return Tree(root, digest)

    def mend(self, recipes: Iterable[LibraryRecipe]) -> None:
        """Make again what was damaged since it was made; called before something is compiled, so every file is read once a build."""
        for recipe in recipes:
            if isinstance(recipe.source, FolderSource) and not recipe.prepare.commands:
                continue
            digest, root = self._place(recipe)
            with FileLock(self._folder / f"{digest[:24]}.lock"):
                if root not in self._whole and not is_whole(root, self._digests):
                    self._make(recipe, root)
                self._whole.add(root)

    def is_present(self, recipe: LibraryRecipe) -> bool:
        """Whether the tree is there without a download or a command."""
        if isinstance(recipe.source, FolderSource) and not recipe.prepare.commands:
            return True
        return self._place(recipe)[1].is_dir()

    def _place(self, recipe: LibraryRecipe) -> tuple[str, Path]:
        digest = of_value(
            [self._origin(recipe), recipe.prepare.commands, self._compiler.identity if recipe.prepare.commands else ""]
        )
        return digest, self._folder / digest[:24]

    def _origin(self, recipe: LibraryRecipe) -> str:
        source = recipe.source
        if isinstance(source, FolderSource):
            return self._digests.folder(local_folder(recipe), whole=True)
        if isinstance(source, CompilerSource):
            return self._digests.file(compiler_archive(recipe, self._compiler))
        if isinstance(source, CrateSource | SdistSource) and source.folder != ".":
            return of_value([source.sha256, source.folder])
        return source.sha256

    def _make(self, recipe: LibraryRecipe, root: Path) -> None:
        with unfinished_folder(self._folder) as folder:
            fresh = folder / "tree"
            if isinstance(recipe.source, FolderSource):
                shutil.copytree(local_folder(recipe), fresh)
            elif isinstance(recipe.source, CompilerSource):
                fresh.mkdir()
                self._must(recipe, [self._compiler.ar, "x", str(compiler_archive(recipe, self._compiler))], fresh)
            else:
                fresh = _unpack(recipe, self._sources.archive(recipe), fresh)
            for command in recipe.prepare.commands:
                _refuse_missing(recipe, command[0], fresh)
                self._must(recipe, [*self._tools.without_network, *command], fresh)
            write_listing(fresh, root, self._digests)
            replace_folder(fresh, root)
            self._whole.add(root)

    def _must(self, recipe: LibraryRecipe, command: list[str], folder: Path) -> None:
        code, output = self._tools.run(command, folder, {"HOME": str(folder)})
        if code:
            tail = "\n".join(output.strip().splitlines()[-OUTPUT_LINES:])
            raise BuildError(
                f"{recipe.file}:{line_of(recipe.file, _own(command, self._tools)[0])}: field `prepare.commands`: {' '.join(_own(command, self._tools))!r} ended with code {code}:\n{tail}",
                f"The library {recipe.name} could not be prepared; see the command's own message above.",
            )


def _own(command: list[str], tools: Tools) -> list[str]:
    """A command as the recipe has it."""
    prefix = tools.without_network
    return command[len(prefix) :] if prefix and command[: len(prefix)] == prefix else command


def _refuse_missing(recipe: LibraryRecipe, program: str, root: Path) -> None:
    """Tell a file that the source does not have from a program that the machine does not have."""
    where = f"{recipe.file}:{line_of(recipe.file, program)}: field `prepare.commands`"
    if "/" in program and not (root / program).is_file():
        raise BadInputError(
            f"{where}: the source has no {program}",
            "A tarball of a version control system has to be prepared otherwise (autoreconf, autogen.sh), or list its files instead.",
        )
    if "/" not in program and shutil.which(program) is None:
        raise HostLacksError(
            f"{where}: the program {program!r} is not installed", "Install it, or do without it in the recipe."
        )


def _unpack(recipe: LibraryRecipe, archive: Path, into: Path) -> Path:
    """Unpack a tarball; the folder that its one top folder became."""
    into.mkdir()
    try:
        unpack(archive, into)
    except (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        if isinstance(error, OSError) and error.errno in HOSTS_MATTER:
            raise
        raise BadInputError(f"{recipe.file}: field `source`: {archive.name} cannot be unpacked: {error}") from None
    entries = list(into.iterdir())
    root = entries[0] if len(entries) == 1 and entries[0].is_dir() else into
    source = recipe.source
    if not isinstance(source, CrateSource | SdistSource):
        return root
    if not (root / source.folder).is_dir():
        raise NotFoundError(
            f"{recipe.file}:{line_of(recipe.file, source.folder)}: field `source.folder`: {archive.name} has no folder {source.folder}"
        )
    return root / source.folder
