"""What libraries share under random addresses, counted from a manifest written here."""

from __future__ import annotations

import pytest

from unishare.formats.manifest import Extent, Manifest
from unishare.inspect.random_addresses import LibraryShare, as_json, shares, totals

PAGE = 4096
RUN = "ab" * 32


def image() -> Manifest:
    """An app of one page of code, and a library of some of everything; both have tables in frame 0."""

    def extent(module: int, address: int, pages: int, rights: str, frame: int | None = None) -> Extent:
        fields = {"module": module, "address": hex(address), "pages": pages, "rights": rights, "section": "x", "frame": frame}
        return Extent.model_validate({**fields, "run": RUN if frame is None else None})

    reference = {"hash": RUN, "file": "x.so"}
    return Manifest.model_validate({
        "name": "app", "layout": "aslr", "abi": 65536, "entry": "0x0", "elf": {"file": "image.elf", "sha256": RUN}, "image_table": "0x0",
        "stack": 8 * PAGE, "heap": 8 * PAGE, "argv": [], "env": {}, "libraries": [], "frames": [RUN, None, None, None],
        "modules": [{"name": "app", "pages": 2, **reference}, {"name": "lib", "pages": 16, **reference}],
        "relocations": {"run": RUN, "count": 5},
        "extents": [
            extent(0, 0, 1, "r-x"), extent(0, 0x1000, 1, "r--", 0),
            extent(1, 0, 6, "r-x"), extent(1, 0x6000, 3, "r--"), extent(1, 0xA000, 2, "r--", 0), extent(1, 0xC000, 2, "rw-", 2),
        ],
    })  # fmt: skip


def test_each_page_is_counted_where_it_belongs() -> None:
    app, library = shares(image())
    assert app == LibraryShare("app", shared_code=1, shared_constants=0, private_code=0, tables=1, data=0, frames=(0,))
    assert library == LibraryShare(
        "lib", shared_code=6, shared_constants=3, private_code=0, tables=2, data=2, frames=(0, 1, 2, 3)
    )


def test_a_frame_that_two_libraries_see_is_counted_once() -> None:
    found = totals(image())
    assert (found.shared_pages, found.read_only_frames, found.writable_frames, found.relocations) == (10, 2, 2, 5)
    assert found.shared_code == 1
    assert found.shared_read_only == pytest.approx(10 / 12)


def test_code_that_is_not_the_pools_would_not_count_as_shared() -> None:
    manifest = image()
    extents = [
        one.model_copy(update={"run": None}) if one.rights == "r-x" and one.pages == 1 else one for one in manifest.extents
    ]
    assert totals(manifest.model_copy(update={"extents": extents})).shared_code == pytest.approx(6 / 7)


def test_json_has_lines_and_totals() -> None:
    found = as_json(image())
    assert [one["library"] for one in found["libraries"]] == ["app", "lib"]
    assert found["totals"]["relocations"] == 5 and found["page_bytes"] == PAGE


def test_an_image_of_fixed_addresses_has_none() -> None:
    assert shares(image().model_copy(update={"modules": None, "relocations": None, "frames": None})) == []
