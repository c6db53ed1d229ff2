"""Source trees: unpacked and prepared as a whole or not at all, and never outside their folder."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import random
import re
import socket
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import pytest

from full_disk import no_file_beyond
from unishare.errors import BadInputError, BuildError, HostLacksError
from unishare.settings import Settings
from unishare.toolchain.recipes.reading import load_library
from unishare.toolchain.recipes.recipe import LibraryRecipe
from unishare.toolchain.sources.trees import Trees
from unishare.toolchain.tools.commands import Tools
from unishare.toolchain.tools.compiler import Compiler
from unishare.toolchain.tools.digests import Digests


def entry(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(content), kind, link
    return info, content


def archive(entries: Sequence[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def good(files: Mapping[str, bytes]) -> bytes:
    return archive([entry(name, content) for name, content in files.items()])


class Place:
    """A home whose downloads are files of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings(folder / "home")
        tools = Tools()
        self.trees = Trees(self.settings, Compiler(tools), tools, Digests())

    def recipe(self, content: bytes, commands: Sequence[Sequence[str]] = ()) -> LibraryRecipe:
        """A recipe whose archive was downloaded already."""
        digest = hashlib.sha256(content).hexdigest()
        kept = self.settings.sources / "archives" / digest / "a.tar.gz"
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(content)
        source = f'provider = "https"\nurl = "https://example.org/a.tar.gz"\nsha256 = "{digest}"'
        return self.written(source, commands)

    def written(self, source: str, commands: Sequence[Sequence[str]] = ()) -> LibraryRecipe:
        file = self.folder / "tiny.toml"
        quoted = [list(command) for command in commands]
        file.write_text(f'name = "tiny"\nversion = "1"\nlicense = "0BSD"\n[source]\n{source}\n[prepare]\ncommands = {quoted}\n')
        return load_library(file)

    def made(self) -> list[Path]:
        """What is in the folder of trees, but for locks."""
        folder = self.settings.sources / "trees"
        return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_top_folder_of_an_archive_is_the_root(place: Place) -> None:
    tree = place.trees.of(place.recipe(good({"tiny-1/a.c": b"int a;", "tiny-1/src/b.c": b""})))
    assert (tree.root / "a.c").read_bytes() == b"int a;"
    assert (tree.root / "src" / "b.c").is_file()


def test_an_archive_without_a_top_folder_is_the_root_itself(place: Place) -> None:
    tree = place.trees.of(place.recipe(good({"a.c": b"", "b.c": b""})))
    assert sorted(path.name for path in tree.root.iterdir()) == ["a.c", "b.c"]


def test_commands_run_once_in_the_tree(place: Place) -> None:
    recipe = place.recipe(good({"t/a.c": b"", "t/b": b""}), [["sh", "-c", "echo made >> log; pwd > where"]])
    tree = place.trees.of(recipe)
    assert place.trees.of(recipe) == tree
    assert (tree.root / "log").read_text() == "made\n"


def test_recipes_with_the_same_source_and_commands_share_a_tree(place: Place) -> None:
    content = good({"t/a.c": b""})
    first = place.trees.of(place.recipe(content, [["true"]]))
    assert place.trees.of(place.recipe(content, [["true"]])) == first
    assert place.trees.of(place.recipe(content, [["true"], ["true"]])) != first
    assert len(place.made()) == 2


def test_a_tree_is_known_to_be_made_only_when_it_is(place: Place) -> None:
    recipe = place.recipe(good({"t/a.c": b""}))
    assert not place.trees.is_present(recipe)
    place.trees.of(recipe)
    assert place.trees.is_present(recipe)


def test_a_command_that_fails_shows_its_words_and_leaves_nothing(place: Place) -> None:
    recipe = place.recipe(good({"t/a.c": b""}), [["true"], ["sh", "-c", "touch half; echo no such feature >&2; exit 3"]])
    with pytest.raises(BuildError) as caught:
        place.trees.of(recipe)
    assert re.search(r"tiny\.toml:\d+: field `prepare\.commands`", caught.value.message)
    assert "ended with code 3:\nno such feature" in caught.value.message
    assert place.made() == []


def test_a_command_that_does_not_exist_is_named_and_leaves_nothing(place: Place) -> None:
    with pytest.raises(HostLacksError, match="'no-such-program' is not installed"):
        place.trees.of(place.recipe(good({"t/a.c": b""}), [["no-such-program"]]))
    assert place.made() == []


@pytest.mark.parametrize(
    "entries",
    [
        [entry("../outside", b"x")],
        [entry("t/../../outside", b"x")],
        [entry("t/link", kind=tarfile.SYMTYPE, link="../../../outside")],
        [entry("t/link", kind=tarfile.SYMTYPE, link="/etc"), entry("t/link/outside", b"x")],
        [entry("t/hard", kind=tarfile.LNKTYPE, link="../../outside")],
        [entry("t/device", kind=tarfile.CHRTYPE)],
    ],
)
def test_an_archive_cannot_write_or_point_outside(place: Place, entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    (place.folder / "outside").write_text("untouched")
    with pytest.raises(BadInputError, match=r"a\.tar\.gz cannot be unpacked"):
        place.trees.of(place.recipe(archive(entries)))
    assert place.made() == []
    assert (place.folder / "outside").read_text() == "untouched"
    assert [path.name for path in place.folder.rglob("outside")] == ["outside"]


def test_an_absolute_name_stays_inside(place: Place) -> None:
    tree = place.trees.of(place.recipe(archive([entry("/t/a.c", b"x"), entry("/t/b.c", b"y")])))
    assert (tree.root / "a.c").read_bytes() == b"x"


@pytest.mark.parametrize("length", [0, 10, 60])
def test_a_truncated_archive_leaves_nothing(place: Place, length: int) -> None:
    with pytest.raises(BadInputError, match="cannot be unpacked"):
        place.trees.of(place.recipe(good({"t/a.c": bytes(range(256)) * 40})[:length]))
    assert place.made() == []


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_an_archive_with_one_wrong_byte_is_refused_or_unpacked(place: Place, kind: Literal["gz", "bz2", "xz"]) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{kind}") as tar:
        for info, content in [entry("t/a.c", random.Random(1).randbytes(3000)), entry("t/b.c", b"int b;" * 500)]:
            tar.addfile(info, io.BytesIO(content))
    whole, refused = buffer.getvalue(), 0
    for at in range(0, len(whole), 97):
        damaged = whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]
        try:
            place.trees.of(place.recipe(damaged))
        except BadInputError as error:
            assert "cannot be unpacked" in error.message
            refused += 1
    assert refused


def test_a_full_disk_is_not_the_archives_fault(place: Place) -> None:
    recipe = place.recipe(good({"t/a.c": bytes(100_000)}))
    with no_file_beyond(50_000), pytest.raises(OSError, match="File too large"):
        place.trees.of(recipe)
    assert place.made() == []
    assert (place.trees.of(recipe).root / "a.c").read_bytes() == bytes(100_000)


def test_a_home_that_may_only_be_read_is_used(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = place.recipe(good({"t/a.c": b"x"}))
    root = place.trees.of(recipe).root

    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "utime", read_only)
    assert place.trees.of(recipe).root == root


def test_a_folder_is_used_as_it_is_and_its_digest_follows_its_files(place: Place) -> None:
    code = place.folder / "code"
    code.mkdir()
    (code / "a.c").write_text("int a;")
    recipe = place.written('provider = "folder"\npath = "code"')
    first = place.trees.of(recipe)
    assert first.root == code.resolve()
    (code / "a.c").write_text("int ab;")
    assert place.trees.of(recipe).digest != first.digest
    assert place.made() == []


def test_commands_change_a_copy_of_a_folder(place: Place) -> None:
    code = place.folder / "code"
    code.mkdir()
    (code / "a.c").write_text("int a;")
    tree = place.trees.of(place.written('provider = "folder"\npath = "code"', [["rm", "a.c"]]))
    assert (code / "a.c").is_file() and not (tree.root / "a.c").exists()


def test_commands_have_no_network(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    if not Tools().without_network:
        pytest.skip("this kernel lets this user make no network namespace: docs/formats/recipe.md says so")
    monkeypatch.setenv("http_proxy", "http://proxy")
    commands = [["sh", "-c", "ls /sys/class/net > devices; cat /proc/net/route > routes; env > variables"]]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        program = f"import socket; s = socket.socket(); open('answer', 'w').write(str(s.connect_ex(('127.0.0.1', {port}))))"
        tree = place.trees.of(place.recipe(good({"t/a.c": b""}), [*commands, ["python3", "-c", program]]))
    assert (tree.root / "answer").read_text() != "0"
    assert len((tree.root / "routes").read_text().splitlines()) <= 1
    assert "proxy" not in (tree.root / "variables").read_text()


def test_a_missing_script_of_the_source_is_not_told_as_a_program_to_install(place: Place) -> None:
    with pytest.raises(BadInputError) as caught:
        place.trees.of(place.recipe(good({"t/a.c": b""}), [["./configure", "--static"]]))
    assert "tiny.toml:9: field `prepare.commands`: the source has no ./configure" in caught.value.message
    assert "autoreconf" in str(caught.value.hint)
    with pytest.raises(HostLacksError, match="the program 'no-such-program' is not installed"):
        place.trees.of(place.recipe(good({"t/a.c": b""}), [["no-such-program"]]))
