"""Pinned sources: kept once under their hash, and refused when they are not what a recipe says. No network: the provider is a stub."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from unishare.errors import BadInputError, BuildError, HostLacksError, NotFoundError
from unishare.toolchain.recipes.reading import load_library
from unishare.toolchain.recipes.recipe import LibraryRecipe
from unishare.toolchain.sources import providers
from unishare.toolchain.sources.providers import HttpsProvider, Sources, compiler_archive, local_folder
from unishare.toolchain.tools.commands import Tools
from unishare.toolchain.tools.compiler import Compiler

CONTENT = b"the archive"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Canned:
    """A provider that has the bytes already."""

    def __init__(self, content: bytes = CONTENT, error: Exception | None = None) -> None:
        self.content = content
        self.error = error
        self.fetched = 0

    def fetch(self, recipe: LibraryRecipe, into: Path) -> None:
        self.fetched += 1
        into.write_bytes(self.content)
        if self.error:
            raise self.error


def recipe(folder: Path, source: str) -> LibraryRecipe:
    file = folder / "tiny.toml"
    file.write_text(f'name = "tiny"\nversion = "1"\nlicense = "0BSD"\n[source]\n{source}\n')
    return load_library(file)


def pinned(folder: Path, digest: str = DIGEST) -> LibraryRecipe:
    return recipe(folder, f'provider = "https"\nurl = "https://example.org/tiny-1.tar.gz"\nsha256 = "{digest}"')


def sources(folder: Path, provider: Canned) -> Sources:
    made = Sources(folder / "sources", Tools())
    made._providers["https"] = provider
    return made


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "sources").rglob("*") if path.is_file() and path.suffix != ".lock")


def test_an_archive_is_fetched_once_and_kept_under_its_hash(tmp_path: Path) -> None:
    provider = Canned()
    first = sources(tmp_path, provider).archive(pinned(tmp_path))
    assert first == tmp_path / "sources" / "archives" / DIGEST / "tiny-1.tar.gz"
    assert first.read_bytes() == CONTENT
    assert sources(tmp_path, provider).archive(pinned(tmp_path)) == first
    assert provider.fetched == 1


def test_a_wrong_hash_names_both_and_the_line_and_keeps_nothing(tmp_path: Path) -> None:
    with pytest.raises(BadInputError) as caught:
        sources(tmp_path, Canned(b"something else")).archive(pinned(tmp_path))
    message = caught.value.message
    assert f"{tmp_path / 'tiny.toml'}:7: field `source.sha256`" in message
    assert DIGEST in message and hashlib.sha256(b"something else").hexdigest() in message
    assert files(tmp_path) == []


def test_a_truncated_archive_is_a_wrong_hash(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="SHA-256"):
        sources(tmp_path, Canned(CONTENT[:-1])).archive(pinned(tmp_path))
    assert files(tmp_path) == []


@pytest.mark.parametrize("error", [BuildError("no network"), KeyboardInterrupt()])
def test_a_download_that_breaks_off_keeps_nothing(tmp_path: Path, error: Exception) -> None:
    provider = Canned(error=error)
    with pytest.raises(type(error)):
        sources(tmp_path, provider).archive(pinned(tmp_path))
    assert files(tmp_path) == []
    provider.error = None
    assert sources(tmp_path, provider).archive(pinned(tmp_path)).read_bytes() == CONTENT


def test_an_address_without_an_answer_names_recipe_and_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise httpx.ConnectError("connection refused")

    monkeypatch.setattr(httpx, "stream", refuse)
    with pytest.raises(BuildError) as caught:
        HttpsProvider().fetch(pinned(tmp_path), tmp_path / "file")
    assert f"{tmp_path / 'tiny.toml'}:6: field `source.url`" in caught.value.message
    assert "connection refused" in caught.value.message


def test_a_folder_is_beside_its_recipe(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    assert local_folder(recipe(tmp_path, 'provider = "folder"\npath = "code"')) == (tmp_path / "code").resolve()


def test_a_missing_folder_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"tiny\.toml:6: field `source\.path`: .*missing is not a folder"):
        local_folder(recipe(tmp_path, 'provider = "folder"\npath = "missing"'))


def test_the_compilers_own_archive_is_found_or_named(tmp_path: Path) -> None:
    compiler = Compiler(Tools())
    assert compiler_archive(recipe(tmp_path, 'provider = "compiler"\narchive = "libgcc.a"'), compiler).is_file()
    with pytest.raises(HostLacksError, match="this compiler has no libnowhere"):
        compiler_archive(recipe(tmp_path, 'provider = "compiler"\narchive = "libnowhere.a"'), compiler)


# What apt-get does here: `update` makes lists if there is a network, and is content without one, as the real one is; `source`
# gives the file of the version that the lists were made for.
APT = """#!/bin/sh
for word; do case $word in Dir::State::Lists=*) lists=${word#*=};; update|source) what=$word;; esac; done
echo $what >> $WORLD/calls
if [ $what = update ]; then
    if [ ! -e $WORLD/network ]; then echo "W: Failed to fetch: no route to host"; exit 0; fi
    cp $WORLD/version $lists/debian_Sources
else
    cmp -s $WORLD/version $lists/debian_Sources || { echo "E: Failed to fetch tiny.tar.gz  404  Not Found"; exit 100; }
    printf 'the archive' > tiny.tar.gz
fi
"""


class World:
    """A network with Debian's archive at some version, seen through a fake apt-get."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        program = folder / "bin" / "apt-get"
        program.parent.mkdir()
        program.write_text(APT.replace("$WORLD", str(folder)))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        self.publish("1")

    def publish(self, version: str) -> None:
        (self.folder / "version").write_text(version)
        (self.folder / "network").touch()

    def cut(self) -> None:
        (self.folder / "network").unlink()

    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().split()

    def fetch(self) -> Path:
        debian = recipe(self.folder, f'provider = "debian"\npackage = "tiny"\nfile = "tiny.tar.gz"\nsha256 = "{DIGEST}"')
        return Sources(self.folder / "sources", Tools()).archive(debian)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_a_debian_source_is_downloaded_once(world: World) -> None:
    assert world.fetch().read_bytes() == CONTENT
    assert world.fetch().read_bytes() == CONTENT
    assert world.calls() == ["update", "source"]


def test_without_a_network_apts_warning_is_shown_and_the_next_try_is_not_spoilt(world: World) -> None:
    world.cut()
    with pytest.raises(BuildError, match="could not read Debian's list of source packages: W: Failed to fetch: no route"):
        world.fetch()
    world.publish("1")
    assert world.fetch().read_bytes() == CONTENT


def test_lists_that_have_grown_old_are_fetched_again(world: World) -> None:
    world.fetch().unlink()
    world.publish("2")
    assert world.fetch().read_bytes() == CONTENT
    assert world.calls() == ["update", "source", "source", "update", "source"]


def test_a_version_whose_files_no_server_has_is_passed_over(world: World) -> None:
    programs = world.folder / "bin"
    (programs / "apt-cache").write_text(
        "#!/bin/sh\nprintf 'Package: tiny\\nVersion: 1-2\\n\\nPackage: tiny\\nVersion: 1-1\\n'\n"
    )
    (programs / "apt-cache").chmod(0o755)
    get = (programs / "apt-get").read_text()
    refusal = 'for word; do last=$word; done; case $last in tiny|tiny=1-2) echo "E: Failed to fetch some archives."; exit 100;; esac\n'
    (programs / "apt-get").write_text(get.replace("#!/bin/sh\n", f"#!/bin/sh\n{refusal}"))
    assert world.fetch().read_bytes() == CONTENT


def test_a_full_disk_is_said_before_apt_is_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    with pytest.raises(OSError, match="1 MiB are free"):
        world.fetch()
    assert not (world.folder / "calls").exists()


def test_without_apt_a_debian_source_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    debian = recipe(tmp_path, f'provider = "debian"\npackage = "tiny"\nfile = "tiny.tar.gz"\nsha256 = "{DIGEST}"')
    with pytest.raises(HostLacksError, match="apt-get is not there"):
        Sources(tmp_path / "sources", Tools()).archive(debian)
    assert files(tmp_path) == []


def answering(monkeypatch: pytest.MonkeyPatch, handler: Callable[[httpx.Request], httpx.Response]) -> None:
    """Let a function stand for the server."""
    client = httpx.Client(transport=httpx.MockTransport(handler))
    monkeypatch.setattr(httpx, "stream", client.stream)


def test_the_bytes_that_are_sent_are_those_that_are_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tarball = gzip.compress(b"what is in it", mtime=0)
    asked = []

    def serve(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["accept-encoding"])
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(tarball))

    answering(monkeypatch, serve)
    HttpsProvider().fetch(pinned(tmp_path), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == tarball
    assert asked == ["identity"]


@pytest.mark.parametrize(("status", "said"), [(404, "404 Not Found"), (503, "503 Service Unavailable"), (403, "403 Forbidden")])
def test_a_servers_status_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, said: str) -> None:
    answering(monkeypatch, lambda _: httpx.Response(status))
    with pytest.raises(BuildError, match=said):
        HttpsProvider().fetch(pinned(tmp_path), tmp_path / "file")


class RecordingTools(Tools):
    """An apt that fails as the real one does, and notes with what environment it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.environments: list[Mapping[str, str]] = []

    def run(
        self, command: Sequence[str], folder: Path | None = None, extra: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        self.environments.append(extra or {})
        if "update" in command:
            lists = Path(next(part for part in command if part.startswith("Dir::State::Lists=")).partition("=")[2])
            (lists / "a_Sources").touch()
            return 0, ""
        return 100, (
            "W: Some index files are old\nE: Failed to fetch http://deb.example/z.tar.gz  404  Not Found [IP: 1.2.3.4 80]\n"
            "E: Failed to fetch some archives.\n"
        )


def test_apt_gets_the_environments_proxies_and_its_first_error_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers.shutil, "which", lambda _: "/usr/bin/apt-get")
    for name, value in (("http_proxy", "http://proxy:3128"), ("NO_PROXY", "localhost"), ("SECRET", "x")):
        monkeypatch.setenv(name, value)
    tools = RecordingTools()
    source = f'provider = "debian"\npackage = "zlib"\nfile = "z.tar.gz"\nsha256 = "{DIGEST}"'
    with pytest.raises(NotFoundError, match="404  Not Found"):
        providers.DebianProvider(tmp_path / "apt", tools).fetch(recipe(tmp_path, source), tmp_path / "file")
    assert tools.environments and all(one.get("http_proxy") == "http://proxy:3128" for one in tools.environments)
    assert all(one.get("NO_PROXY") == "localhost" and "SECRET" not in one for one in tools.environments)
