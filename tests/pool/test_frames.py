"""Frames of an aslr image: libraries that have places in one page share its frame, and nothing of what the ELF files say is lost."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from toolchain.project import Project
from unishare.errors import BadInputError
from unishare.formats.elf import SHF_ALLOC, SHF_WRITE, ElfFile
from unishare.formats.image import PlacedModule, read_facts
from unishare.formats.manifest import Manifest
from unishare.formats.relocations import MODULE_RECORD
from unishare.pool.frames import FRAME_RECORD, arrange
from unishare.pool.pieces import Piece
from unishare.pool.store import Pool

PAGE = 4096
ALPHA = "static int counter = 7; static int zeros[9]; extern int other; int *where = &other; int alpha(int i) { return zeros[i] + counter++ + *where; }"
BETA = 'int other = 5; static const char *const names[] = {"a", "b"}; int beta(int i) { return names[i & 1][0] + other; }'


@pytest.fixture
def image(tmp_path: Path) -> tuple[Pool, Manifest, Path]:
    project = Project(tmp_path)
    project.library("beta", BETA)
    project.library("alpha", ALPHA, ["beta"])
    project.app("one", "int alpha(int), beta(int); int main(void) { return alpha(1) + beta(2); }", ["alpha", "beta"])
    pool = Pool.create(project.settings.pool)
    folder = project.build(["one"], "aslr")[0].folder
    return pool, Manifest.read(pool.add_image(folder)), folder


def memory_of(pool: Pool, manifest: Manifest, module: int) -> dict[int, bytes]:
    """A module's pages by number, as the loader sees them before it relocates."""
    assert manifest.frames is not None
    pages = {}
    for extent in manifest.extents:
        for page in range(extent.pages) if extent.module == module else ():
            if extent.frame is not None:
                run, at = manifest.frames[extent.frame + page], 0
            else:
                run, at = extent.run, (extent.first + page) * PAGE
            pages[extent.start // PAGE + page] = pool.read_run(run)[at : at + PAGE] if run else bytes(PAGE)
    return pages


def test_a_module_sees_what_its_elf_says(image: tuple[Pool, Manifest, Path]) -> None:
    pool, manifest, folder = image
    facts = read_facts(folder)
    assert facts.modules is not None and facts.relocations is not None
    records = MODULE_RECORD.iter_unpack((folder / facts.relocations.file).read_bytes())
    relocated = {(module, offset + byte) for module, _, offset, _ in records for byte in range(8)}
    compared = 0
    for number, module in enumerate(facts.modules):
        pages = memory_of(pool, manifest, number)
        elf = ElfFile.read(folder / module.file)
        linker = next(one.address for one in elf.sections if one.name == ".dynsym")
        for section in elf.sections:
            if not section.flags & SHF_ALLOC or section.address >= linker:
                continue
            for offset, byte in enumerate(elf.content(section)):
                if (number, section.address + offset) not in relocated:
                    page, within = divmod(section.address + offset, PAGE)
                    assert pages[page][within] == byte, (module.name, section.name, offset)
                    compared += 1
    assert compared > 100


def test_libraries_share_frames_and_rights_do_not_mix(image: tuple[Pool, Manifest, Path]) -> None:
    _, manifest, _ = image
    shown: dict[int, set[str | None]] = {}
    rights: dict[int, set[str]] = {}
    for extent in manifest.extents:
        for frame in range(extent.frame or 0, (extent.frame or 0) + extent.pages) if extent.frame is not None else ():
            shown.setdefault(frame, set()).add(extent.library)
            rights.setdefault(frame, set()).add(extent.rights)
    assert {"alpha", "beta"} in [libraries - {"boot", "libc"} for libraries in shown.values()]
    assert all(len(one) == 1 for one in rights.values())
    # The app's own tables are in no library's frame.
    assert {None} in shown.values() and not any(None in one and len(one) > 1 for one in shown.values())


def test_all_relocations_are_kept_and_in_order(image: tuple[Pool, Manifest, Path]) -> None:
    pool, manifest, folder = image
    facts = read_facts(folder)
    assert manifest.relocations is not None and facts.relocations is not None
    assert manifest.relocations.count == facts.relocations.count
    data = pool.read_run(manifest.relocations.run)[: manifest.relocations.count * FRAME_RECORD.size]
    places = [place for place, _, _ in FRAME_RECORD.iter_unpack(data)]
    assert all(before + 8 <= after for before, after in itertools.pairwise(places))


def test_libraries_are_writable_nowhere_else(image: tuple[Pool, Manifest, Path]) -> None:
    _, manifest, folder = image
    for extent in manifest.extents:
        assert (extent.frame is not None) == (extent.section == "linkage" or extent.rights == "rw-")
    flags = {one.name: one.flags for one in ElfFile.read(folder / "modules" / "alpha.so").sections}
    assert flags[".data"] & SHF_WRITE


@pytest.mark.parametrize("offset", [PAGE + PAGE - 4, 0])
def test_a_relocation_outside_a_page_of_tables_names_the_library(offset: int) -> None:
    module = PlacedModule(name="zlib", hash="ab" * 32, pages=3, file="zlib.so", linkage=64)
    piece = Piece(PAGE, "r--", bytes(PAGE), 1, "zlib", "linkage")
    with pytest.raises(BadInputError, match=f"zlib: the relocation at offset {offset:#x}"):
        arrange([module], [(0, piece)], MODULE_RECORD.pack(0, 0, offset, 1))
