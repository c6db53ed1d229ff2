"""Sources out of package registries, by the registries' own clients: cargo for crates, pip for source distributions.

Which registry that is, a mirror perhaps, is the client's configuration: no address of one is written here. Neither client runs
anything of a package: cargo fetches and does not build; pip lists the files of a project and is not asked to prepare any.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from unishare.errors import BuildError, HostLacksError, NotFoundError
from unishare.toolchain.recipes.reading import line_of
from unishare.toolchain.recipes.recipe import CrateSource, LibraryRecipe, SdistSource
from unishare.toolchain.tools.commands import Tools
from unishare.unfinished import unfinished_folder

DOWNLOAD_LIMIT_S = 60.0
# What clients take from the environment: where their configuration and caches lie, proxies, certificates, accounts.
_PASSED = re.compile(r"^(CARGO|RUSTUP|PIP|XDG)_|^(HOME|NETRC|REQUESTS_CA_BUNDLE|SSL_CERT_(FILE|DIR))$|_proxy$", re.IGNORECASE)
# `[workspace]`: a home inside somebody's Rust project is no member of it.
_MANIFEST = """[package]
name = "unishare-source"
version = "0.0.0"
edition = "2021"
[workspace]
[dependencies]
source = {{ package = "{name}", version = "={version}", default-features = false }}
"""


class CrateProvider:
    """The `.crate` file of one version, as cargo keeps it after `cargo fetch`."""

    def __init__(self, folder: Path, tools: Tools) -> None:
        self._folder = folder
        self._tools = tools

    def fetch(self, recipe: LibraryRecipe, into: Path) -> None:
        """Let cargo fetch the crate for a throwaway package, and take the archive from its cache."""
        source = recipe.source
        assert isinstance(source, CrateSource)
        where = f"{recipe.file}:{line_of(recipe.file, source.version)}: field `source`"
        if shutil.which("cargo") is None:
            raise HostLacksError(f"{where}: its source is a crate, but cargo is not there", "Run `make setup`.")
        self._folder.mkdir(parents=True, exist_ok=True)
        with unfinished_folder(self._folder) as package:
            (package / "src").mkdir()
            (package / "src" / "lib.rs").touch()
            (package / "Cargo.toml").write_text(_MANIFEST.format(name=source.name, version=source.version))
            code, output = self._tools.run(["cargo", "fetch", "--color", "never"], package, _environment())
        cached = _cargo_home().glob(f"registry/cache/*/{source.name}-{source.version}.crate")
        newest = max(cached, key=lambda file: file.stat().st_mtime, default=None)
        if code or newest is None:
            raise NotFoundError(
                f"{where}: cargo did not give the crate {source.name} {source.version}: {_first_error(output)}",
                "Are name and version right, was the version withdrawn, is the network up?",
            )
        shutil.copyfile(newest, into)


class SdistProvider:
    """The source distribution of one version of a Python project.

    `pip download` would run the project's set-up code to learn its dependencies, so pip is only asked what files there are
    (`pip index versions`, which names each file's address when verbose), and the file is fetched here.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def fetch(self, recipe: LibraryRecipe, into: Path) -> None:
        """Ask pip for the address, and download it."""
        source = recipe.source
        assert isinstance(source, SdistSource)
        where = f"{recipe.file}:{line_of(recipe.file, source.version)}: field `source`"
        command = [*_pip(where), "index", "versions", source.name, "-vvv", "--pre", "--no-binary", ":all:", "--no-color",
                   "--disable-pip-version-check", "--no-input", "--no-cache-dir"]  # fmt: skip
        code, output = self._tools.run(command, None, _environment())
        found = re.findall(r"Found link (\S+?)(?: \(.*\))?, version: (\S+)$", output, re.MULTILINE)
        address = next((link for link, version in found if version == source.version), None)
        if address is None:
            versions = ", ".join(dict.fromkeys(version for _, version in found)) or _first_error(output)
            raise NotFoundError(
                f"{where}: pip knows no source distribution of {source.name} {source.version}: "
                + (versions if code else f"there are {versions}"),
                "Are name and version right, and is the network up?",
            )
        try:
            _download(address, into)
        except (httpx.HTTPError, OSError) as error:
            raise BuildError(f"{where}: {address}: {error}", "Is the network up?") from None


def _pip(where: str) -> list[str]:
    code, _ = Tools().run([sys.executable, "-m", "pip", "--version"])
    if code == 0:
        return [sys.executable, "-m", "pip"]
    if found := shutil.which("pip3") or shutil.which("pip"):
        return [found]
    raise HostLacksError(f"{where}: its source is a Python source distribution, but pip is not there", "Run `make setup`.")


def _download(address: str, into: Path) -> None:
    parts = urlsplit(address)
    if parts.scheme == "file":  # a folder of files, which pip may be configured to look into
        shutil.copyfile(unquote(parts.path), into)
        return
    # What is hashed is what the server has, not what a transfer encoding made of it.
    with (
        httpx.stream(
            "GET", address, follow_redirects=True, timeout=DOWNLOAD_LIMIT_S, headers={"Accept-Encoding": "identity"}
        ) as answer,
        into.open("wb") as file,
    ):
        answer.raise_for_status()
        for chunk in answer.iter_raw():
            file.write(chunk)


def _environment() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if _PASSED.search(name)}


def _cargo_home() -> Path:
    return Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")


def _first_error(output: str) -> str:
    """A client's first error with what it stands in, on one line; its last line where none is marked."""
    lines = [line.strip() for line in output.strip().splitlines()] or ["(no message)"]
    start = next((number for number, line in enumerate(lines) if line.lower().startswith("error")), len(lines) - 1)
    return " ".join(lines[start : start + 3])
