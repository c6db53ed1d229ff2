"""The files of an image: a USTAR archive that is the same for the same files."""

from __future__ import annotations

import io
import os
import sqlite3
import tarfile
from pathlib import Path

import pytest

from unishare.errors import BadInputError, NotFoundError
from unishare.toolchain.link import files_archive
from unishare.toolchain.recipes.reading import load_app
from unishare.toolchain.recipes.recipe import AppRecipe


def app(folder: Path, *files: str) -> AppRecipe:
    folder.mkdir(exist_ok=True)
    (folder / "app.toml").write_text('name = "app"\n[files]\n' + "\n".join(files) + "\n")
    return load_app(folder / "app.toml")


def contents(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {one.name: stream.read() for one in tar if (stream := tar.extractfile(one))}


def test_names_and_bytes_are_kept_in_order(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(bytes(range(256)) * 5)
    (tmp_path / "a").write_bytes(b"")
    data = files_archive.build(app(tmp_path, '"/app/z" = "b"', '"/app/c" = "a"'))
    assert list(contents(data)) == ["app/c", "app/z"]
    assert contents(data)["app/z"] == bytes(range(256)) * 5
    assert data[257:263] == b"ustar\0"


def test_times_rights_and_order_do_not_matter(tmp_path: Path) -> None:
    for name, stamp, mode, lines in (("x", 1, 0o600, ("a", "b")), ("y", 10**9, 0o755, ("b", "a"))):
        folder = tmp_path / name
        folder.mkdir()
        for file in ("a", "b"):
            (folder / file).write_text(file)
            os.utime(folder / file, (stamp, stamp))
            (folder / file).chmod(mode)
        app(folder, *(f'"/{file}" = "{file}"' for file in lines))
    first, second = (files_archive.build(load_app(tmp_path / name / "app.toml")) for name in ("x", "y"))
    assert first == second != b""


def test_without_files_there_is_no_archive(tmp_path: Path) -> None:
    assert files_archive.build(app(tmp_path)) == b""


def test_sql_becomes_a_database_with_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "b.sql").write_text("create table t (a); insert into t values (42);")
    recipe = app(tmp_path, '"/app/b.db" = { sqlite = "b.sql" }')
    database = contents(files_archive.build(recipe))["app/b.db"]
    assert files_archive.build(recipe) == files_archive.build(recipe)
    opened = sqlite3.connect(":memory:")
    opened.deserialize(database)
    assert opened.execute("select a from t").fetchall() == [(42,)]


def test_wrong_sql_is_told_in_sqlites_words(tmp_path: Path) -> None:
    (tmp_path / "b.sql").write_text("create tabel t (a);")
    with pytest.raises(BadInputError, match=r'app\.toml:3: field `files`: /app/b\.db: near "tabel"'):
        files_archive.build(app(tmp_path, '"/app/b.db" = { sqlite = "b.sql" }'))


def test_a_missing_file_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "here").write_text("")
    with pytest.raises(NotFoundError, match=r"app\.toml:4: field `files`: .*gone does not exist"):
        files_archive.build(app(tmp_path, '"/a" = "here"', '"/b" = "gone"'))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    with pytest.raises(BadInputError, match="directory"):
        files_archive.build(app(tmp_path, '"/a" = "sub"'))


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    recipe = app(tmp_path / "app", '"/a" = "link"')
    (tmp_path / "app" / "link").symlink_to("../secret")
    with pytest.raises(BadInputError, match="lies outside the app's folder"):
        files_archive.build(recipe)
