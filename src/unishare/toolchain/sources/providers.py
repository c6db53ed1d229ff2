"""Source providers: from what a recipe says about its source to a verified archive, or a folder, on this machine.

One small class a provider; `PROVIDERS` is the only list of them. Archives are kept under their digest, so that a name that
means something else tomorrow can never be taken for what a recipe pinned.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import httpx
from filelock import FileLock

from unishare.errors import BadInputError, BuildError, HostLacksError, NotFoundError
from unishare.state import sync_folder
from unishare.toolchain.recipes.reading import line_of
from unishare.toolchain.recipes.recipe import (
    CompilerSource,
    CrateSource,
    DebianSource,
    FolderSource,
    HttpsSource,
    LibraryRecipe,
    SdistSource,
)
from unishare.toolchain.sources.registries import CrateProvider, SdistProvider
from unishare.toolchain.tools.commands import Tools
from unishare.toolchain.tools.compiler import Compiler
from unishare.unfinished import PREFIX, unfinished_folder

APT_FOLDER = Path("/etc/apt")
DOWNLOAD_LIMIT_S = 60.0
LISTS_BYTES = 64 << 20
# apt-transport-http(1) reads those in lower case; programs it calls may read the others.
PROXIES = tuple(f"{name}_proxy" for name in ("http", "https", "ftp", "all", "no"))
PROXIES += tuple(name.upper() for name in PROXIES)


class Provider(Protocol):
    """Brings one kind of source."""

    def fetch(self, recipe: LibraryRecipe, into: Path) -> None:
        """Write the recipe's archive to `into`; its digest is checked by the caller."""


class DebianProvider:
    """Upstream tarballs out of Debian's source packages, through a private apt set-up: the machine's own stays as it is."""

    def __init__(self, folder: Path, tools: Tools) -> None:
        self._folder = folder
        self._tools = tools

    def fetch(self, recipe: LibraryRecipe, into: Path) -> None:
        """Let apt download the package's files and keep the one that is named."""
        source = recipe.source
        assert isinstance(source, DebianSource)
        if shutil.which("apt-get") is None:
            raise HostLacksError(
                f"{recipe.file}: its source is a Debian package, but apt-get is not there",
                "Use a Debian machine, or give the recipe an https source.",
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self._folder / "lock"), unfinished_folder(self._folder) as download:
            found = download / source.file
            lists_are_new = not (self._folder / "updated").exists()
            if lists_are_new:
                self._update()
            reason = self._download(source, found)
            if reason and not lists_are_new:
                # The lists of an earlier day may name files that Debian has replaced.
                self._update()
                reason = self._download(source, found)
            if reason:
                raise NotFoundError(
                    f"{recipe.file}:{line_of(recipe.file, source.file)}: field `source.file`: Debian's source package "
                    f"{source.package} did not give {source.file}: {reason}",
                    "Debian may have a newer version: change file, version and sha256 together.",
                )
            shutil.move(found, into)

    def _download(self, source: DebianSource, found: Path) -> str:
        """Let apt download a package's files, of the newest version that has the named one; why none has, else nothing."""
        reason = ""
        for version in ("", *self._versions(source.package)):
            name = f"{source.package}={version}" if version else source.package
            code, output = self._run([*self._apt("get"), "source", "--download-only", "-qq", name], found.parent)
            if found.is_file():
                return ""
            names = ", ".join(sorted(file.name for file in found.parent.iterdir())) or "nothing"
            reason = reason or (_first_error(output) if code else f"the package holds {names}")
        return reason

    def _versions(self, package: str) -> Iterator[str]:
        """All versions that the lists have: a mirror may list a security update whose files it does not have yet (or any more)."""
        code, output = self._run([*self._apt("cache"), "showsrc", "--only-source", package])
        if code == 0:
            yield from dict.fromkeys(re.findall(r"(?m)^Version: (\S+)$", output))

    def _update(self) -> None:
        """Fetch the lists of source packages. apt itself calls it a success when no server answers, and hangs on a full disk."""
        lists, parts, mark = self._folder / "lists", self._folder / "sources", self._folder / "updated"
        mark.unlink(missing_ok=True)
        if (free := shutil.disk_usage(self._folder).free) < LISTS_BYTES:
            raise OSError(errno.ENOSPC, f"{free >> 20} MiB are free, the lists of sources need {LISTS_BYTES >> 20}", str(lists))
        parts.mkdir(exist_ok=True)
        (lists / "partial").mkdir(parents=True, exist_ok=True)
        (self._folder / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
        for name, text in _source_lists():
            (parts / name).write_text(text)
        code, output = self._run([*self._apt("get"), "-q", "update"])
        if code or not any(lists.glob("*_Sources*")):
            raise BuildError(
                f"apt-get could not read Debian's list of source packages: {_first_error(output)}", "Is the network up?"
            )
        mark.touch()

    def _run(self, command: list[str], folder: Path | None = None) -> tuple[int, str]:
        """Run apt; it and httpx are all that may reach a network, and how is for the environment to say."""
        return self._tools.run(command, folder, {name: os.environ[name] for name in PROXIES if name in os.environ})

    def _apt(self, tool: str) -> list[str]:
        options = {
            "Dir::Etc::SourceList": "/dev/null",
            "Dir::Etc::SourceParts": self._folder / "sources",
            "Dir::State::Lists": self._folder / "lists",
            "Dir::Cache": self._folder / "cache",
            "APT::Sandbox::User": "",
        }
        return [f"apt-{tool}", *(part for name, value in options.items() for part in ("-o", f"{name}={value}"))]


AS_IT_IS = {"Accept-Encoding": "identity"}


class HttpsProvider:
    """A tarball at an address. httpx: timeouts and redirects that are right without our own code."""

    def fetch(self, recipe: LibraryRecipe, into: Path) -> None:
        """Download the file."""
        source = recipe.source
        assert isinstance(source, HttpsSource)
        try:
            with (
                httpx.stream("GET", source.url, headers=AS_IT_IS, follow_redirects=True, timeout=DOWNLOAD_LIMIT_S) as answer,
                into.open("wb") as file,
            ):
                answer.raise_for_status()
                # The bytes that were sent: a tarball that a server calls "gzip encoded" is what the recipe's hash is of.
                for chunk in answer.iter_raw():
                    file.write(chunk)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise BuildError(
                f"{recipe.file}:{line_of(recipe.file, source.url)}: field `source.url`: {source.url}: {_said(error)}",
                "Is the address right, and the network up?",
            ) from None


class Sources:
    """The archives of one home."""

    def __init__(self, folder: Path, tools: Tools) -> None:
        self._folder = folder
        self._providers: dict[str, Provider] = {
            "debian": DebianProvider(folder / "apt", tools),
            "https": HttpsProvider(),
            "crate": CrateProvider(folder, tools),
            "sdist": SdistProvider(tools),
        }

    def archive(self, recipe: LibraryRecipe) -> Path:
        """The verified archive of a recipe with a pinned source; downloaded when it is not there."""
        source = recipe.source
        assert isinstance(source, DebianSource | HttpsSource | CrateSource | SdistSource)
        name = _name_of(source.url) if isinstance(source, HttpsSource) else source.file
        archive = self._folder / "archives" / source.sha256 / name
        if _has_digest(archive, source.sha256):
            return archive
        archive.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(archive.parent.with_suffix(".lock")):
            if not _has_digest(archive, source.sha256):
                with _temporary(archive.parent) as fresh:
                    self._providers[source.provider].fetch(recipe, fresh)
                    _verify(recipe, source.sha256, fresh)
                    fresh.rename(archive)
                    sync_folder(archive.parent)
        return archive


def local_folder(recipe: LibraryRecipe) -> Path:
    """The folder of a recipe whose source is one."""
    source = recipe.source
    assert isinstance(source, FolderSource)
    folder = (recipe.folder / source.path).resolve()
    if not folder.is_dir():
        raise NotFoundError(
            f"{recipe.file}:{line_of(recipe.file, source.path)}: field `source.path`: {folder} is not a folder",
            "The path is relative to the recipe's own folder.",
        )
    return folder


def compiler_archive(recipe: LibraryRecipe, compiler: Compiler) -> Path:
    """The archive of a recipe whose source is part of the compiler."""
    source = recipe.source
    assert isinstance(source, CompilerSource)
    archive = compiler.file(source.archive)
    if archive is None:
        raise HostLacksError(
            f"{recipe.file}:{line_of(recipe.file, source.archive)}: field `source.archive`: this compiler has no {source.archive}",
            "Run `make setup`.",
        )
    return archive


def _name_of(url: str) -> str:
    """What a download is called; only people look at it."""
    name = url.split("?")[0].rsplit("/", 1)[-1]
    return name if re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z._+~-]{0,127}", name) else "archive"


def _has_digest(file: Path, expected: str) -> bool:
    """Whether an archive is there and whole: asked only when it is to be unpacked."""
    if not file.is_file():
        return False
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == expected


def _verify(recipe: LibraryRecipe, expected: str, file: Path) -> None:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != expected:
        raise BadInputError(
            f"{recipe.file}:{line_of(recipe.file, expected)}: field `source.sha256`: the source has the SHA-256\n  {digest}, not\n  {expected}",
            "If you trust the new file, put its hash into the recipe; if not, the source was tampered with or replaced.",
        )


def _source_lists() -> Iterator[tuple[str, str]]:
    """The machine's package lists with binary packages exchanged for source packages."""
    found = False
    for file in sorted((APT_FOLDER / "sources.list.d").glob("*.sources")):
        found = True
        yield file.name, re.sub(r"(?m)^Types:.*$", "Types: deb-src", file.read_text())
    for file in [APT_FOLDER / "sources.list", *sorted((APT_FOLDER / "sources.list.d").glob("*.list"))]:
        lines = re.findall(r"(?m)^deb(?:-src)?\s.*$", file.read_text()) if file.is_file() else []
        if lines:
            found = True
            yield f"{file.stem}.list", "\n".join(dict.fromkeys(re.sub(r"^deb\s", "deb-src ", line) for line in lines)) + "\n"
    if not found:
        raise HostLacksError("apt has no package lists under /etc/apt", "Is this a Debian machine?")


def _said(error: Exception) -> str:
    """What went wrong with a download, the server's status first."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"the server answered {error.response.status_code} {error.response.reason_phrase}"
    return str(error) or type(error).__name__


def _first_error(output: str) -> str:
    """What apt complained about first, errors before warnings: a server's status is in it."""
    found = [*re.findall(r"(?m)^E: .*$", output), *re.findall(r"(?m)^W: .*$", output)]
    return found[0] if found else _last_line(output)


def _last_line(output: str) -> str:
    return (output.strip().splitlines() or ["(no message)"])[-1]


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """A file name in a folder that is gone in the end unless it was renamed."""
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=PREFIX)
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
