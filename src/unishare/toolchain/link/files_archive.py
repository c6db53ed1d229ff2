"""The read-only files of an image: a USTAR archive, the same bytes for the same files."""

from __future__ import annotations

import contextlib
import io
import sqlite3
import tarfile
from collections.abc import Mapping
from pathlib import Path

from unishare.errors import BadInputError, NotFoundError
from unishare.formats.bounded import FILE_BYTES, read_file
from unishare.toolchain.recipes.reading import line_of
from unishare.toolchain.recipes.recipe import AppRecipe, Database, FileSet

# What the archive's names hold without a prefix field, and the recipe's own paths are checked for.
GUEST_PATH_BYTES = 100


def build(app: AppRecipe) -> bytes:
    """Pack an app's files; nothing when it has none. Names are the guest's absolute paths without the first slash."""
    if not app.files:
        return b""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in sorted(_contents(app).items()):
            entry = tarfile.TarInfo(name.lstrip("/"))
            entry.size = len(content)
            entry.mode = 0o444
            try:
                tar.addfile(entry, io.BytesIO(content))
            except ValueError as error:
                raise BadInputError(f"{app.file}:{line_of(app.file, name)}: field `files`: {name}: {error}") from None
    return buffer.getvalue()


def local_files(app: AppRecipe) -> Mapping[str, str]:
    """The files of an app's folder by their paths in the guest; databases, which are made from one, are not among them."""
    found: dict[str, str] = {}
    for guest, local in app.files.items():
        if isinstance(local, FileSet):
            found.update(_matching(app, guest, local))
    return {**found, **{guest: local for guest, local in app.files.items() if isinstance(local, str)}}


def _matching(app: AppRecipe, guest: str, files: FileSet) -> Mapping[str, str]:
    """The files that a set names, by their paths in the guest."""
    where = f"{app.file}:{line_of(app.file, guest)}: field `files`"
    excluded = {path for pattern in files.exclude for path in app.folder.glob(pattern)}
    found = {}
    for pattern in files.glob:
        for path in sorted(path for path in app.folder.glob(pattern) if path.is_file() and path not in excluded):
            local = str(path.relative_to(app.folder))
            name = f"{guest.rstrip('/')}/{local}"
            if len(name.encode()) > GUEST_PATH_BYTES:
                raise BadInputError(f"{where}: {name} has more than {GUEST_PATH_BYTES} bytes", "Give it a shorter path.")
            found[name] = local
    if not found:
        raise BadInputError(f"{where}: {guest}: no file in {app.folder} matches {', '.join(files.glob)}")
    return found


def _contents(app: AppRecipe) -> Mapping[str, bytes]:
    wanted: dict[str, str | Database] = {**local_files(app)}
    wanted.update({guest: local for guest, local in app.files.items() if isinstance(local, Database)})
    return {guest: _content(app, guest, local) for guest, local in wanted.items()}


def _content(app: AppRecipe, guest: str, local: str | Database) -> bytes:
    if isinstance(local, Database):
        return _database(app, guest, _read(app, guest, app.folder / local.sqlite))
    return _read(app, guest, app.folder / local)


def _database(app: AppRecipe, guest: str, sql: bytes) -> bytes:
    """Run SQL text in an empty database and take its file. The library's version, which SQLite notes in the header (offsets 96 to
    99 of https://sqlite.org/fileformat.html), is cleared: the same text gives the same bytes on other machines."""
    try:
        with contextlib.closing(sqlite3.connect(":memory:")) as database:
            database.executescript(sql.decode())
            database.commit()
            content = bytearray(database.serialize())
    except (sqlite3.Error, sqlite3.Warning, UnicodeDecodeError) as error:
        raise BadInputError(
            f"{app.file}:{line_of(app.file, guest)}: field `files`: {guest}: {error}", "Correct the SQL text."
        ) from None
    content[96:100] = bytes(4)
    return bytes(content)


def _read(app: AppRecipe, guest: str, file: Path) -> bytes:
    where = f"{app.file}:{line_of(app.file, guest)}: field `files`"
    if not file.resolve().is_relative_to(app.folder.resolve()):
        raise BadInputError(f"{where}: {file} lies outside the app's folder", "Copy it into the folder.")
    try:
        return read_file(file, FILE_BYTES)
    except FileNotFoundError:
        raise NotFoundError(f"{where}: {file} does not exist") from None
    except OSError as error:
        raise BadInputError(f"{where}: {file}: {error.strerror}") from None
    except BadInputError as error:
        raise BadInputError(f"{where}: {error.message}") from None
