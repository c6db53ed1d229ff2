"""Manifests: what is written is read again; whatever contradicts itself is refused with its field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unishare.errors import BadInputError
from unishare.formats.manifest import Manifest

RUN = "ab" * 32


def sample() -> dict[str, Any]:
    return {
        "format": "unishare-manifest", "version": 1, "name": "gzip", "layout": "aligned", "abi": 65536, "entry": "0x401000",
        "elf": {"file": "image.elf", "sha256": RUN}, "image_table": "0x400000", "stack": 262144, "heap": 16777216,
        "argv": ["gzip"], "env": {"TZ": "UTC"}, "libraries": [{"name": "zlib", "version": "1.2.13", "hash": RUN}],
        "extents": [
            {"address": "0x400000", "pages": 1, "rights": "r--", "run": RUN, "first": 0, "library": None, "section": "rodata"},
            {"address": "0x401000", "pages": 1, "rights": "r-x", "run": RUN, "first": 0, "library": None, "section": "text"},
            {"address": "0x20000000", "pages": 12, "rights": "r-x", "run": RUN, "first": 0, "library": "zlib", "section": "text"},
            {"address": "0x20200000", "pages": 3, "rights": "rw-", "run": None, "first": 0, "library": None, "section": "bss"},
        ],
        "page_tables": {"run": RUN, "pages": 9},
    }  # fmt: skip


def parse(data: dict[str, Any]) -> Manifest:
    return Manifest.parse(json.dumps(data).encode(), "m.json")


def test_a_manifest_survives_writing_and_reading(tmp_path: Path) -> None:
    manifest = parse(sample())
    (tmp_path / "manifest.json").write_text(manifest.to_text())
    assert Manifest.read(tmp_path / "manifest.json") == manifest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json"]


def test_the_file_has_no_fields_of_other_layouts() -> None:
    written = json.loads(parse(sample()).to_text())
    assert written.keys() == sample().keys()
    assert written["extents"] == sample()["extents"]


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("version",), 2, "version"),
        (("surprise",), 1, "surprise"),
        (("extents", 0, "address"), "0x401001", "not the start of a page"),
        (("extents", 0, "address"), "0x100000", "outside the app and library regions"),
        (("extents", 2, "address"), "0x401000", "overlaps"),
        (("extents", 0, "rights"), "rwx", "extents[0].rights"),
        (("extents", 3, "rights"), "r-x", "zero pages"),
        (("extents", 0, "pages"), 0, "extents[0].pages"),
        (("extents", 0, "run"), "xyz", "extents[0].run"),
        (("heap",), 5, "heap"),
        (("extents", 0, "module"), 0, "module"),
        (("layout",), "aslr", "modules"),
    ],
)
def test_what_contradicts_itself_is_refused(place: tuple[Any, ...], value: object, said: str) -> None:
    data: Any = sample()
    inner = data
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    with pytest.raises(BadInputError) as caught:
        parse(data)
    assert said in caught.value.message
    assert caught.value.message.startswith("m.json: ")


@given(st.binary(max_size=40), st.integers(0, 900), st.integers(0, 40))
def test_damaged_text_is_refused_or_means_something(junk: bytes, place: int, cut: int) -> None:
    text = json.dumps(sample()).encode()
    try:
        Manifest.parse(text[:place] + junk + text[place + cut :], "m.json")
    except BadInputError as error:
        assert error.message.startswith("m.json")


def randomised() -> dict[str, Any]:
    extent = {"run": None, "first": 0, "library": None, "section": "x", "pages": 1}
    module = {"name": "gzip", "hash": RUN, "pages": 3, "file": "image.elf"}
    data = sample() | {
        "layout": "aslr", "modules": [module, {**module, "name": "zlib"}], "frames": [None, RUN],
        "relocations": {"run": RUN, "count": 0}, "entry": "0x0", "image_table": "0x1000",
        "extents": [
            {**extent, "module": 0, "address": "0x0", "rights": "r-x", "run": RUN},
            {**extent, "module": 0, "address": "0x1000", "rights": "r--", "frame": 1},
            {**extent, "module": 0, "address": "0x2000", "rights": "rw-", "frame": 0},
            {**extent, "module": 1, "address": "0x1000", "rights": "r--", "frame": 1},
        ],
    }  # fmt: skip
    del data["page_tables"]
    return data


def test_frames_count_as_runs_and_survive_writing() -> None:
    manifest = parse(randomised())
    assert RUN in manifest.runs
    assert Manifest.parse(manifest.to_text().encode(), "m.json") == manifest


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("extents", 3, "rights"), "rw-", "frame 1 has the rights"),
        (("extents", 3, "rights"), "r-x", "not executable"),
        (("extents", 3, "frame"), 2, "frames that there are not"),
        (("extents", 3, "run"), RUN, "no run"),
        (("frames",), None, "all or none"),
        (("layout",), "aligned", "all or none"),
    ],
)
def test_lies_about_frames_are_refused(place: tuple[str | int, ...], value: Any, said: str) -> None:
    data = randomised()
    target: Any = data
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    with pytest.raises(BadInputError, match=said):
        parse(data)
