"""Files that people or other versions write: whatever is in them, the outcome is a value or one `UnishareError`."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fuzz.mutations import any_input, files
from unishare.errors import BadInputError, UnishareError
from unishare.formats.image import ABI, ImageFacts, LibraryReference, PlacedModule, RelocationsReference, read_facts
from unishare.formats.manifest import Manifest
from unishare.formats.sections import Kind
from unishare.toolchain.map.frame_space import FrameKind
from unishare.toolchain.map.global_map import GlobalMap
from unishare.toolchain.objects.cache import UnitFacts, UnitObject, WindowSize
from unishare.toolchain.recipes.catalog import PACKAGE_CATALOG
from unishare.toolchain.recipes.reading import load_app, load_library, load_toml
from unishare.toolchain.recipes.template import LanguageTemplate

HASH = "0f" * 32


def map_of_two_libraries() -> bytes:
    """A global map as it is written today, in two generations' worth of records, with a remark."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "global.map"
        sizes = [{Kind.TEXT: 0xB2F0, Kind.RODATA: 0x4AC0}, {Kind.TEXT: 0x22, Kind.DATA: 0x30, Kind.BSS: 0x99}]
        for number, one in enumerate(sizes):
            windows = {kind: WindowSize(size=size, alignment=16) for kind, size in one.items()}
            facts = UnitFacts(
                digest=f"{number:064x}", windows=windows, constructors=0, destructors=0, thread_local=False, strong=[], weak=[], undefined=[]
            )  # fmt: skip
            unit = UnitObject(f"lib{number}", "1.2.13", file, facts)
            GlobalMap(file).windows([unit])
            GlobalMap(file).frames([(unit, {FrameKind.LINKAGE: WindowSize(size=0xE8, alignment=16)})])
        return file.read_bytes().replace(b"generation 1\n", b"generation 1\n# a remark\n")


MAP = map_of_two_libraries()
IMAGE = ImageFacts(
    name="gzip", layout="aslr", libraries=[LibraryReference(name="zlib", version="1.2.13", hash=HASH)], argv=["gzip"], env={"A": "b"},
    heap=16 << 20, stack=256 << 10, modules=[PlacedModule(name="m", hash=HASH, pages=3, file="m.so", linkage=16)],
    relocations=RelocationsReference(file="r", count=2),
).model_dump_json(exclude_none=True).encode()  # fmt: skip
_EXTENT = {"pages": 2, "rights": "r-x", "run": HASH, "first": 0, "library": None, "section": "text"}
MANIFESTS = [
    Manifest.model_validate({
        "name": "gzip", "layout": layout, "abi": ABI, "entry": place, "elf": {"file": "image.elf", "sha256": HASH}, "image_table": place,
        "stack": 256 << 10, "heap": 16 << 20, "argv": ["gzip"], "env": {}, "libraries": [], **more,
    }).to_text().encode()
    for layout, place, more in (
        ("aligned", "0x400000", {"extents": [{**_EXTENT, "address": "0x400000"}], "page_tables": {"run": HASH, "pages": 3}}),
        ("aslr", "0x1000", {"extents": [{**_EXTENT, "address": "0x1000", "module": 0}], "frames": [None],
                            "modules": [{"name": "gzip", "hash": HASH, "pages": 3, "file": "image.elf"}], "relocations": {"run": HASH, "count": 0}}),
    )
]  # fmt: skip
# Every kind of file: how it is read, what it is called, and the seeds that are changed.
LIBRARIES = [re.sub(rb'(?m)^name = ".*"', b'name = "zlib"', data) for data in files(PACKAGE_CATALOG / "libraries", "*.toml")]
SEEDS: dict[str, tuple[Callable[[Path], object], list[bytes]]] = {
    "zlib.toml": (load_library, LIBRARIES),
    "app.toml": (load_app, files(PACKAGE_CATALOG / "apps", "app.toml")),
    "language.toml": (
        lambda file: load_toml(file, LanguageTemplate, "hint"),
        files(PACKAGE_CATALOG / "languages", "language.toml"),
    ),
    "global.map": (lambda file: GlobalMap(file).state(), [MAP]),
    "image.json": (lambda file: read_facts(file.parent), [IMAGE]),
    "manifest.json": (Manifest.read, MANIFESTS),
}


@pytest.mark.parametrize("name", SEEDS)
def test_every_seed_is_read(name: str) -> None:
    """A seed that is refused at once tests nothing."""
    read, seeds = SEEDS[name]
    assert seeds
    for data in seeds:
        assert outcome(read, name, data) is not None, data


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


@given(any_input(LIBRARIES))
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
    outcome(lambda file: load_toml(file, LanguageTemplate, "hint"), "language.toml", data)


@given(any_input([MAP]))
@example(MAP + b" \n")
@example(MAP + b"generation " + b"9" * 5000 + b"\n")
@example(MAP + b"generation 9\n")
@example(MAP.replace(b":16", b":" + b"9" * 5000))
@example(MAP.replace(b":16", b":0"))
@example(MAP.replace(b":16", b":3"))
@example(MAP.replace(b"+0xb2f0", b"+0x" + b"f" * 5000))
@example(MAP.replace(b"rodata=", b"text=", 1))
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


@given(any_input(MANIFESTS))
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
