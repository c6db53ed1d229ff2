"""Files that people or other versions write: whatever is in them, the outcome is a value or one `UnishareError`."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from fuzz.mutations import any_input, files
from unishare.errors import BadInputError, UnishareError
from unishare.formats.manifest import Manifest
from unishare.pool.cutting import read_facts
from unishare.toolchain.map.global_map import GlobalMap
from unishare.toolchain.recipes.catalog import PACKAGE_CATALOG
from unishare.toolchain.recipes.recipe import load_app, load_library, load_toml
from unishare.toolchain.recipes.template import Language

MAP = b"""unishare-map 1
generation 1
# a remark
library zlib 1.2.13 0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f text=0x20000000+0xb2f0:16 rodata=0x20200000+0x4ac0:32
library lua 5.4 1f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f text=0x2000c000+0x22:16 data=0x20400000+0x30:32 bss=0x20480000+0x99:64
"""
IMAGE = b"""{"format": "unishare-image", "version": 1, "name": "gzip", "layout": "aligned", "abi": 65536,
"libraries": [{"name": "zlib", "version": "1.2.13", "hash": "00"}], "argv": ["gzip"], "env": {"A": "b"}, "heap": 16777216, "stack": 262144,
"modules": [{"name": "m", "hash": "h", "pages": 3, "file": "m.so"}], "relocations": {"file": "r", "count": 2}}"""
MANIFEST = b"""{"format": "unishare-manifest", "version": 1, "name": "gzip", "layout": "aligned", "abi": 65536, "entry": "0x401000",
"elf": {"file": "image.elf", "sha256": "%(0)s"}, "image_table": "0x400000", "stack": 262144, "heap": 16777216, "argv": ["gzip"], "env": {},
"libraries": [], "extents": [{"address": "0x400000", "pages": 2, "rights": "r-x", "run": "%(0)s", "first": 0, "library": null, "section": "text"},
{"address": "0x20000000", "pages": 3, "rights": "rw-", "run": null, "first": 0, "library": "zlib", "section": "bss"}],
"page_tables": {"run": "%(0)s", "pages": 3}}""" % {b"0": b"0" * 64}


def outcome(read: Callable[[Path], object], name: str, data: bytes) -> object:
    """What reading a file of these bytes gives; None when it is refused, which must name the file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_bytes(data)
        try:
            return read(file)
        except UnishareError as error:
            assert str(file) in error.message
            assert len(error.message) < 20_000
            return None


@given(any_input(files(PACKAGE_CATALOG / "libraries", "*.toml")))
def test_library_recipes(data: bytes) -> None:
    outcome(load_library, "zlib.toml", data)


@given(any_input(files(PACKAGE_CATALOG / "apps", "app.toml")))
@example(b'name = "a"\nx = ' + b"[" * 3000)
@example(b'name = "a"\nx = ' + b"{a=" * 3000)
@example(b'name = "a"\n[run]\nheap = ' + b"9" * 5000)
@example(b'name = "a"\n[[example]]\nanswer_pattern = "("')
def test_app_recipes(data: bytes) -> None:
    outcome(load_app, "app.toml", data)


@given(any_input(files(PACKAGE_CATALOG / "languages", "language.toml")))
def test_languages(data: bytes) -> None:
    outcome(lambda file: load_toml(file, Language, "hint"), "language.toml", data)


@given(any_input([MAP]))
@example(MAP + b" \n")
@example(MAP + b"generation " + b"9" * 5000 + b"\n")
@example(MAP + b"generation 9\n")
@example(MAP.replace(b":16", b":" + b"9" * 5000))
@example(MAP.replace(b":16", b":0"))
@example(MAP.replace(b":16", b":3"))
@example(MAP.replace(b"+0xb2f0", b"+0x" + b"f" * 5000))
@example(MAP.replace(b"rodata=0x20200000", b"text=0x2000c000"))
def test_global_maps(data: bytes) -> None:
    state = outcome(lambda file: GlobalMap(file).state(), "global.map", data)
    if state is not None:
        windows = sorted(
            (entry.generation, one.address, one.end)
            for entry in state.entries  # type: ignore[attr-defined]
            for one in entry.windows.values()
        )
        for (generation, _, end), (other, start, _) in pairwise(windows):
            assert generation != other or end <= start


@given(any_input([IMAGE]))
def test_image_facts(data: bytes) -> None:
    outcome(lambda file: read_facts(file.parent), "image.json", data)


@given(any_input([MANIFEST]))
def test_manifests(data: bytes) -> None:
    found = outcome(Manifest.read, "manifest.json", data)
    if isinstance(found, Manifest):
        assert Manifest.parse(found.to_text().encode(), "again") == found


@given(
    st.dictionaries(st.text(max_size=8), st.recursive(st.none() | st.integers() | st.text(max_size=9), st.lists, max_leaves=9))
)
def test_any_json_is_no_manifest(value: dict[str, object]) -> None:
    import json

    with contextlib.suppress(BadInputError):
        Manifest.parse(json.dumps(value).encode(), "file")
        raise AssertionError(value)
