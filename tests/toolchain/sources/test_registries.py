"""Sources from package registries: the clients' own answers, nothing of a package run. No network: cargo is a script, pip looks into a folder."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from unishare.errors import BadInputError, HostLacksError, NotFoundError
from unishare.settings import Settings
from unishare.toolchain.recipes.reading import load_library
from unishare.toolchain.recipes.recipe import LibraryRecipe
from unishare.toolchain.sources.providers import Sources
from unishare.toolchain.sources.trees import Trees
from unishare.toolchain.tools.commands import Tools
from unishare.toolchain.tools.compiler import Compiler
from unishare.toolchain.tools.digests import Digests

# What `cargo fetch` does, for a crate that stands beside it.
CARGO = """#!/bin/sh
grep -q 'package = "tiny", version = "=1.2.3"' Cargo.toml || exec sh -c 'echo error: failed to select a version; exit 101'
mkdir -p "$CARGO_HOME/registry/cache/mirror" && cp {crate} "$CARGO_HOME/registry/cache/mirror/tiny-1.2.3.crate"
"""
SETUP = "import pathlib\npathlib.Path({mark!r}).write_text('set-up code ran')\n"


def archive(file: Path, files: dict[str, str]) -> str:
    with tarfile.open(file, "w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return hashlib.sha256(file.read_bytes()).hexdigest()


def recipe(folder: Path, provider: str, version: str, sha256: str, more: str = "") -> LibraryRecipe:
    file = folder / "tiny.toml"
    source = f'provider = "{provider}"\nname = "tiny"\nversion = "{version}"\nsha256 = "{sha256}"\n{more}'
    file.write_text(f'name = "tiny"\nversion = "1"\nlicense = "0BSD"\n[source]\n{source}\n')
    return load_library(file)


@pytest.fixture
def crate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A crate that cargo gives; its digest."""
    digest = archive(tmp_path / "made.crate", {"tiny-1.2.3/csrc/tiny.c": "int tiny;", "tiny-1.2.3/build.rs": "fn main() {}"})
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "cargo").write_text(CARGO.format(crate=tmp_path / "made.crate"))
    (programs / "cargo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CARGO_HOME", str(tmp_path / "cargo"))
    return digest


@pytest.fixture
def sdist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A source distribution that pip finds, with set-up code that leaves a mark; its digest."""
    folder = tmp_path / "index"
    folder.mkdir()
    setup = SETUP.format(mark=str(tmp_path / "ran"))
    digest = archive(folder / "tiny-1.2.3.tar.gz", {"tiny-1.2.3/setup.py": setup, "tiny-1.2.3/src/tiny.c": "int tiny;"})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return digest


def tree(folder: Path, wanted: LibraryRecipe) -> Path:
    tools = Tools()
    return Trees(Settings(folder / "home"), Compiler(tools), tools, Digests()).of(wanted).root


def test_a_crate_is_what_cargo_fetched(crate: str, tmp_path: Path) -> None:
    root = tree(tmp_path, recipe(tmp_path, "crate", "1.2.3", crate, 'folder = "csrc"'))
    assert [file.name for file in root.iterdir()] == ["tiny.c"]
    # From now on cargo is not asked any more.
    (tmp_path / "bin" / "cargo").write_text("#!/bin/sh\nexit 1\n")
    assert Sources(tmp_path / "home" / "sources", Tools()).archive(recipe(tmp_path, "crate", "1.2.3", crate)).is_file()


def test_a_crate_that_is_not_the_pinned_one_is_refused_before_it_is_unpacked(crate: str, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="SHA-256"):
        tree(tmp_path, recipe(tmp_path, "crate", "1.2.3", "0" * 64))
    assert not list((tmp_path / "home").rglob("tiny.c"))


def test_a_crate_that_cargo_does_not_know_is_told_in_its_words(crate: str, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"tiny\.toml:7: .*tiny 9\.9\.9: error: failed to select a version"):
        tree(tmp_path, recipe(tmp_path, "crate", "9.9.9", crate))


def test_a_crate_without_cargo(crate: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostLacksError, match="cargo is not there"):
        Sources(tmp_path / "sources", Tools()).archive(recipe(tmp_path, "crate", "1.2.3", crate))


def test_a_folder_that_the_package_does_not_have_is_named(crate: str, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"tiny\.toml:9: field `source\.folder`: .* has no folder elsewhere"):
        tree(tmp_path, recipe(tmp_path, "crate", "1.2.3", crate, 'folder = "elsewhere"'))


def test_a_source_distribution_is_fetched_and_its_set_up_code_is_not_run(sdist: str, tmp_path: Path) -> None:
    root = tree(tmp_path, recipe(tmp_path, "sdist", "1.2.3", sdist))
    assert (root / "src" / "tiny.c").read_text() == "int tiny;"
    assert not (tmp_path / "ran").exists()


def test_a_version_that_pip_does_not_know_is_told_with_those_it_knows(sdist: str, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"tiny\.toml:7: .*no source distribution of tiny 2\.0: there are 1\.2\.3"):
        tree(tmp_path, recipe(tmp_path, "sdist", "2.0", sdist))


@pytest.mark.parametrize("version", ["1.0\\n[patch]", "1 || 2", "*", ""])
def test_a_version_is_a_version(tmp_path: Path, version: str) -> None:
    with pytest.raises(BadInputError, match=r"field `source\.version`"):
        recipe(tmp_path, "crate", version, "0" * 64)


def test_no_address_of_a_registry_is_written_anywhere() -> None:
    package = Path(__file__).resolve().parents[3] / "src" / "unishare"
    texts = [file.read_text() for ending in ("py", "toml") for file in package.rglob(f"*.{ending}")]
    assert not [text for text in texts if "crates.io" in text or "pypi.org" in text or "pythonhosted" in text]
