"""One table of hostile files, given to the Python package and to the monitor: both give the same verdict, and neither hangs or crashes."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from toolchain.project import Project
from unishare.errors import BadInputError, NotFoundError, UnishareError
from unishare.formats.manifest import Manifest
from unishare.monitor_program import monitor_program
from unishare.pool.store import Pool

TIME_LIMIT_S = 60
REFUSED, MISSING = BadInputError.exit_code, NotFoundError.exit_code
HASH = "ab" * 32


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("hostile"))
    made.library("alpha", "int state = 1, *place = &state; int alpha(int i) { return *place += i; }")
    made.app("one", "int alpha(int); int main(void) { return alpha(1); }", ["alpha"])
    pool = Pool.create(made.settings.pool)
    for layout in ("aligned", "aslr"):
        for image in made.build(["one"], layout):
            pool.add_image(image.folder)
    return made


def verdicts(project: Project, file: Path) -> tuple[int, int]:
    """The exit codes that the package and the monitor have for a manifest."""
    try:
        Manifest.read(file)
        own = 0
    except UnishareError as error:
        own = error.exit_code
    command = [str(monitor_program()), "check", str(file), "--pool", str(project.settings.pool)]
    done = subprocess.run(command, capture_output=True, timeout=TIME_LIMIT_S, check=False, stdin=subprocess.DEVNULL)
    return own, done.returncode


Change = Callable[[dict[str, Any]], object]


def put(*path: Any, value: Any) -> Change:
    def change(manifest: dict[str, Any]) -> None:
        inner: Any = manifest
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = value

    return change


def drop(*path: Any) -> Change:
    def change(manifest: dict[str, Any]) -> None:
        inner: Any = manifest
        for step in path[:-1]:
            inner = inner[step]
        del inner[path[-1]]

    return change


BIG = (1 << 63, (1 << 64) - 1, 1 << 64, 1 << 200, -1, 1.5, "1", True, None, [])
# For images of both layouts.
CHANGES: dict[str, Change] = {
    **{f"{field} = {value!r}"[:60]: put(field, value=value) for field in ("heap", "stack", "abi", "version") for value in BIG},
    **{f"extent {field} = {value!r}"[:60]: put("extents", 0, field, value=value) for field in ("pages", "first") for value in BIG},
    **{f"address {value}": put("extents", 0, "address", value=value)
       for value in ("0x0", "0xfffffffffffff000", "0xffff800000000000", "0x400001", "400000", "0x", "-0x1", "0X400000", "0x0000000000000400000",
                     "0x1ffffff000", "0x4000000000000000000", " 0x400000", "0x40_0000")},
    **{f"{field} {value}": put(field, value=value) for field in ("entry", "image_table")
       for value in ("0x0", "0xffffffffffffffff", "0x7fffffff", "0x20000000", "0xABC000")},
    "version 1.0": put("version", value=1.0), "abi of another major": put("abi", value=2 << 16), "abi newer": put("abi", value=65537),
    "heap not pages": put("heap", value=4097), "heap 0": put("heap", value=0), "stack 0": put("stack", value=0), "stack huge": put("stack", value=1 << 40),
    "no name": put("name", value=""), "long name": put("name", value="x" * 129), "long name in bytes": put("name", value="é" * 65),
    "control in name": put("name", value="a\x1b[0m"), "name of 128": put("name", value="x" * 128), "layout": put("layout", value="other"),
    "NUL in argv": put("argv", value=["a\0b"]), "no argv": put("argv", value=[]), "number in argv": put("argv", value=[1]),
    "env without name": put("env", value={"": "x"}), "env with =": put("env", value={"A=B": "x"}), "NUL in env": put("env", value={"A": "\0"}),
    "unknown key": put("surprise", value=1), "unknown key inside": put("extents", 0, "surprise", value=1), "elf elsewhere": put("elf", "file", value="/etc/passwd"),
    "elf above": put("elf", "file", value="../image.elf"), "elf nowhere": put("elf", "file", value=""), "elf hash": put("elf", "sha256", value=HASH.upper()),
    "library unknown": put("extents", 0, "library", value="nobody"), "library hash": put("libraries", 0, "hash", value="x"),
    "rights": put("extents", 0, "rights", value="rwx"), "run null": put("extents", 0, "run", value=None), "run path": put("extents", 0, "run", value="../" * 21 + "x"),
    "extents twice": lambda manifest: manifest["extents"].append(manifest["extents"][0]), "no extents": put("extents", value=[]),
    "extents backwards": lambda manifest: manifest["extents"].reverse(), "too many extents": lambda manifest: manifest["extents"].extend(manifest["extents"][:1] * 16384),
    "no version": drop("version"), "no format": drop("format"), "no run": drop("extents", 0, "run"), "no first": drop("extents", 0, "first"), "no library": drop("extents", 0, "library"),
    "no heap": drop("heap"), "no libraries": drop("libraries"), "format": put("format", value="unishare-image"), "modules null": put("modules", value=None),
    "relocations null": put("relocations", value=None), "frames null": put("frames", value=None), "page_tables null": put("page_tables", value=None),
    "page tables of 0": put("page_tables", value={"run": HASH, "pages": 0}), "modules empty": put("modules", value=[]), "argv null": put("argv", value=None),
}  # fmt: skip
RANDOM_CHANGES: dict[str, Change] = {
    **{f"module {field} {value!r}"[:50]: put("modules", 0, field, value=value)
       for field, value in [("pages", 0), ("pages", 1 << 18), ("pages", 1 << 64), ("file", "/image.elf"), ("file", "a/../../b"), ("hash", "x")]},
    **{f"extent module {value!r}": put("extents", 0, "module", value=value) for value in (99, -1, 1 << 32, None, "0")},
    **{f"extent frame {value!r}": put("extents", -1, "frame", value=value) for value in (1 << 16, 1 << 64, -1, None)},
    "frame of code": put("extents", 0, "frame", value=0), "frames too many": put("frames", value=[None] * 65537), "frames fewer": put("frames", value=[]),
    "count beyond the run": put("relocations", "count", value=1 << 62), "layout fixed": put("layout", value="aligned"), "no modules": drop("modules"),
}  # fmt: skip


def verdicts_on(project: Project, folder: Path, texts: dict[str, bytes]) -> dict[str, tuple[int, int]]:
    """The verdicts on manifests, which must agree; by the names of the changes."""
    found = {}
    for name, text in texts.items():
        (folder / "hostile.json").write_bytes(text)
        found[name] = verdicts(project, folder / "hostile.json")
    unequal = {name: verdict for name, verdict in found.items() if len(set(verdict)) > 1 or verdict[0] not in (0, REFUSED)}
    assert unequal == {}, "the package's verdict and the monitor's"
    return found


@pytest.mark.parametrize("layout", ["aligned", "aslr"])
def test_manifests(project: Project, layout: str, tmp_path: Path) -> None:
    text = (project.settings.image_folder(layout, "one") / "manifest.json").read_bytes()
    texts = {"as it was built": text}
    for name, change in (CHANGES | (RANDOM_CHANGES if layout == "aslr" else {})).items():
        manifest = json.loads(text)
        change(manifest)
        texts[name] = json.dumps(manifest).encode()
    texts.pop("count beyond the run", None)  # which the monitor alone can see, from the run
    found = verdicts_on(project, tmp_path, texts)
    accepted = [name for name, verdict in found.items() if verdict == (0, 0)]
    assert {"as it was built", "name of 128", "heap 0"} <= set(accepted)
    assert len(accepted) < len(found) / 4, accepted


@pytest.mark.parametrize("layout", ["aligned", "aslr"])
def test_texts_that_readers_of_json_understand_differently(project: Project, layout: str, tmp_path: Path) -> None:
    text = (project.settings.image_folder(layout, "one") / "manifest.json").read_bytes()
    twice = text.replace(b'"heap":', b'"heap": 4096, "heap":', 1)
    changed = {
        "a field twice": twice, "a field twice in an extent": text.replace(b'"pages":', b'"pages": 1, "pages":', 1),
        "a variable twice": text.replace(b'"env": {}', b'"env": {"A": "1", "A": "2"}'), "a mark": b"\xef\xbb\xbf" + text,
        "UTF-16": text.decode().encode("utf-16"), "latin": text.replace(b'"one"', b'"\xe9"'), "half a pair": text.replace(b'"one"', b'"\\ud800"'),
        "minus zero": text.replace(b'"heap": 16777216', b'"heap": -0'), "exponent": text.replace(b'"heap": 16777216', b'"heap": 1e5'),
        "a leading zero": text.replace(b'"heap": 16777216', b'"heap": 016777216'), "NaN": text.replace(b'"heap": 16777216', b'"heap": NaN'),
        "a comma": text.rstrip()[:-1] + b",}", "a comment": b"// x\n" + text, "more behind it": text + b"{}", "spaces behind it": text + b" \n\t",
        "nothing": b"", "cut": text[: len(text) // 2], "zeros": bytes(100), "deep": b"[" * 100_000, "a list": b"[1]", "a long number": text.replace(b'"heap": 16777216', b'"heap": ' + b"9" * 5000),
        "single quotes": text.replace(b'"', b"'"), "a control character": text.replace(b'"one"', b'"o\x01ne"'), "an escape": text.replace(b'"one"', b'"\\u006fne"'),
        "a form feed": b"\x0c" + text,
    }  # fmt: skip
    assert [name for name, data in changed.items() if data == text] == []
    found = verdicts_on(project, tmp_path, changed)
    assert {name for name, verdict in found.items() if verdict == (0, 0)} == {"spaces behind it", "an escape"}


def assert_refused_by_both(project: Project, file: Path) -> None:
    own, monitors = verdicts(project, file)
    assert own == monitors and own in (REFUSED, MISSING, 74), (own, monitors)


def test_what_is_no_file_or_without_end_is_refused_at_once(project: Project, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.json")
    with (tmp_path / "sparse.json").open("wb") as stream:
        stream.truncate(10 << 30)
    (tmp_path / "large.json").write_bytes(b" " * (100 << 20))
    (tmp_path / "link.json").symlink_to("/dev/zero")
    with memory_of(2 << 30):
        for file in [*sorted(tmp_path.iterdir()), Path("/dev/zero"), Path("/dev/null"), tmp_path]:
            own, monitors = verdicts(project, file)
            assert (own, monitors) == (REFUSED, REFUSED), file
        assert_refused_by_both(project, tmp_path / "missing.json")


@contextmanager
def memory_of(more: int) -> Iterator[None]:
    """Inside, this process has so much address space more: reading a file whole that is larger fails."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def image_copy(project: Project, layout: str, into: Path) -> Path:
    shutil.rmtree(into, ignore_errors=True)
    shutil.copytree(project.settings.image_folder(layout, "one"), into, copy_function=shutil.copyfile)
    return into


def assert_added_only_if_runnable(project: Project, folder: Path, name: str) -> bool:
    """`pool add` refuses an image, or the monitor accepts what it made."""
    pool = Pool.open(project.settings.pool)
    (folder / "manifest.json").unlink(missing_ok=True)
    try:
        pool.add_image(folder)
    except UnishareError as error:
        assert error.exit_code in (REFUSED, MISSING) and error.message, name
        assert not (folder / "manifest.json").exists()
        return False
    assert verdicts(project, folder / "manifest.json") == (0, 0), name
    return True


ADDRESSES = (0, 0x1000, 0x401001, 0x7FFFF000, (1 << 64) - 4096, 0xFFFF_8000_0000_0000, 0xFFFF_FFFF_8000_0000, 1 << 63)


@pytest.mark.parametrize("layout", ["aligned", "aslr"])
def test_elf_files_that_no_linker_of_ours_wrote(project: Project, layout: str, tmp_path: Path) -> None:
    folder = image_copy(project, layout, tmp_path / "image")
    good = (folder / "image.elf").read_bytes()
    headers = struct.unpack_from("<Q", good, 32)[0]
    cases: dict[str, bytes] = {
        "a foreign program": Path("/bin/true").read_bytes(),
        "text": b"#!/bin/sh\n",
        "nothing": b"",
        "half": good[: len(good) // 2],
    }
    for at, width in ((24, 8), (32, 8), (40, 8), (54, 2), (56, 2), (58, 2), (60, 2), (62, 2)):
        for value in (0, 1, (1 << 8 * width) - 1):
            cases[f"header {at} = {value:#x}"] = good[:at] + value.to_bytes(width, "little") + good[at + width :]
    for field, width in ((0, 4), (4, 4), (8, 8), (16, 8), (32, 8), (40, 8)):
        for value in (*ADDRESSES, 7) if width == 8 else (0, 7, 0xFFFFFFFF):
            at = headers + field
            cases[f"segment {field} = {value:#x}"] = good[:at] + value.to_bytes(width, "little") + good[at + width :]
    draw = random.Random(1)
    for number in range(60):
        data = bytearray(good)
        for _ in range(draw.randrange(1, 8)):
            data[draw.randrange(min(len(data), 1500))] = draw.randrange(256)
        cases[f"bytes {number}"] = bytes(data)
    refused = 0
    for name, data in cases.items():
        (folder / "image.elf").write_bytes(data)
        refused += not assert_added_only_if_runnable(project, folder, name)
    assert refused > 20


@pytest.mark.parametrize("name", ["image.elf", "image.json", "relocations.bin", "modules/alpha.so"])
@pytest.mark.parametrize("kind", ["fifo", "sparse", "zero", "folder", "missing"])
def test_parts_of_an_image_that_are_no_files_of_it(project: Project, name: str, kind: str, tmp_path: Path) -> None:
    folder = image_copy(project, "aslr", tmp_path / "image")
    file = folder / name
    file.unlink()
    if kind == "fifo":
        os.mkfifo(file)
    elif kind == "sparse":
        with file.open("wb") as stream:
            stream.truncate(10 << 30)
    elif kind == "zero":
        file.symlink_to("/dev/zero")
    elif kind == "folder":
        file.mkdir()
    with memory_of(3 << 30):
        assert not assert_added_only_if_runnable(project, folder, f"{name} {kind}")


FACTS: dict[str, Change] = {
    "a module elsewhere": put("modules", 1, "file", value="../../../../etc/passwd"), "a module's pages": put("modules", 1, "pages", value=1 << 40),
    "a place": put("modules", 1, "writable", value=1 << 50), "a negative place": put("modules", 1, "linkage", value=-8), "a hash": put("libraries", 0, "hash", value="../x"),
    "heap": put("heap", value=1 << 70), "layout": put("layout", value="../x"), "relocations elsewhere": put("relocations", "file", value="/dev/zero"),
    "a name": put("name", value="\x1b"), "argv": put("argv", value=["\0"]), "abi": put("abi", value=5), "modules": put("modules", value=[]), "version": put("version", value=1.0),
}  # fmt: skip


@pytest.mark.parametrize("name", FACTS)
def test_facts_that_lie(project: Project, name: str, tmp_path: Path) -> None:
    folder = image_copy(project, "aslr", tmp_path / "image")
    facts = json.loads((folder / "image.json").read_text())
    FACTS[name](facts)
    (folder / "image.json").write_text(json.dumps(facts))
    assert not assert_added_only_if_runnable(project, folder, name)
