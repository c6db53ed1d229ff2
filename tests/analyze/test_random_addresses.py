"""What libraries share under random addresses, counted from a manifest and records written here."""

from __future__ import annotations

import struct

import pytest

from unishare.analyze.random_addresses import LibraryShare, as_json, shares, totals
from unishare.pool.manifest import Extent, Manifest
from unishare.pool.store import Pool
from unishare.settings import Settings

PAGE = 4096


@pytest.fixture
def pool(settings: Settings) -> Pool:
    settings.home.mkdir(parents=True, exist_ok=True)
    return Pool.create(settings.pool)


def image(pool: Pool) -> Manifest:
    """An app of one page of code, and a library of some of everything; five relocations."""
    run = pool.add_run(bytes(20 * PAGE))
    records = b"".join(
        struct.pack("<IIQq", module, 0, offset, 7)
        for module, offset in [(0, 0x1000), *((1, 0xA000 + 8 * at) for at in range(4))]
    )
    relocations = pool.add_run(records + bytes(-len(records) % PAGE))

    def extent(module: int, address: int, pages: int, rights: str, *, relocated: bool = False, zeros: bool = False) -> Extent:
        fields = {"module": module, "address": hex(address), "pages": pages, "rights": rights, "section": "x"}
        return Extent.model_validate({**fields, "run": None if zeros else run, "relocated": relocated})

    reference = {"hash": run, "file": "x.so"}
    return Manifest.model_validate({
        "name": "app", "layout": "aslr", "abi": 65536, "entry": "0x0", "elf": {"file": "image.elf", "sha256": run}, "image_table": "0x0",
        "stack": 8 * PAGE, "heap": 8 * PAGE, "argv": [], "env": {}, "libraries": [],
        "modules": [{"name": "app", "pages": 2, **reference}, {"name": "lib", "pages": 16, **reference}],
        "relocations": {"run": relocations, "count": 5},
        "extents": [
            extent(0, 0, 1, "r-x"), extent(0, 0x1000, 1, "r--", relocated=True),
            extent(1, 0, 6, "r-x"), extent(1, 0x6000, 3, "r--"), extent(1, 0xA000, 1, "r--", relocated=True),
            extent(1, 0xB000, 1, "rw-", relocated=True), extent(1, 0xC000, 2, "rw-"), extent(1, 0xE000, 2, "rw-", zeros=True),
        ],
    })  # fmt: skip


def test_each_page_is_counted_where_it_belongs(pool: Pool) -> None:
    app, library = shares(image(pool), pool)
    assert app == LibraryShare("app", 1, 0, 0, 1, 0, 0, 0, 1)
    assert library == LibraryShare(
        library="lib", shared_code=6, private_code=0, shared_constants=3, private_constants=1, shared_data=2, private_data=1,
        zeros=2, relocations=4,
    )  # fmt: skip


def test_totals_are_of_code_and_of_all_that_is_read_only(pool: Pool) -> None:
    found = totals(shares(image(pool), pool))
    assert (found.shared_pages, found.private_pages, found.relocations) == (10, 3, 5)
    assert found.shared_code == 1
    assert found.shared_read_only == pytest.approx(10 / 12)


def test_code_that_the_loader_writes_would_not_count_as_shared(pool: Pool) -> None:
    manifest = image(pool)
    extents = [one.model_copy(update={"relocated": True}) if one.module == 0 else one for one in manifest.extents]
    found = totals(shares(manifest.model_copy(update={"extents": extents}), pool))
    assert found.shared_code == pytest.approx(6 / 7)


def test_json_has_lines_and_totals(pool: Pool) -> None:
    found = as_json(shares(image(pool), pool))
    assert [one["library"] for one in found["libraries"]] == ["app", "lib"]
    assert found["totals"]["relocations"] == 5 and found["page_bytes"] == PAGE


def test_an_image_of_fixed_addresses_has_none(pool: Pool) -> None:
    fixed = image(pool).model_copy(update={"modules": None, "relocations": None})
    assert shares(fixed, pool) == []
