"""Equal libraries are equal pages: in the images, byte by byte, for real upstream libraries."""

from __future__ import annotations

import dataclasses

import pytest

from integration.conftest import build
from toolchain.project import library_sections
from unishare.errors import BadInputError
from unishare.formats.elf import ElfFile
from unishare.formats.manifest import Manifest
from unishare.settings import Settings
from unishare.toolchain.map.check import Agreement, agreement
from unishare.toolchain.map.frame_space import FrameKind
from unishare.toolchain.map.global_map import GlobalMap
from unishare.toolchain.map.zones import Window
from unishare.toolchain.recipes.catalog import Catalog

APP = """
#include <stdio.h>
#include <zlib.h>
#include <unishare/function.h>

static int handle(const unishare_request *request, unishare_answer *answer)
{
    unishare_answer_printf(answer, "%08lx", crc32(0, request->data, (unsigned)request->size));
    return 0;
}

int main(void)
{
    return unishare_serve(handle);
}
"""


@pytest.fixture(scope="module")
def checksum(home: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Another app on zlib, from a project folder."""
    folder = tmp_path_factory.mktemp("project")
    app = folder / "apps" / "test-checksum"
    app.mkdir(parents=True)
    (app / "main.c").write_text(APP)
    (app / "app.toml").write_text('name = "test-checksum"\nlibraries = ["unishare-invoke", "zlib"]\n')
    build(home, Catalog([folder]), ("test-checksum",), ("aligned",))
    return home


def manifest(home: Settings, app: str) -> Manifest:
    return Manifest.read(home.image_folder("aligned", app) / "manifest.json")


def test_every_page_of_shared_libraries_is_the_same_in_both_images(checksum: Settings) -> None:
    images = [ElfFile.read(checksum.image_folder("aligned", app) / "image.elf") for app in ("gzip", "test-checksum")]
    names = [library.name for library in manifest(checksum, "gzip").libraries]
    assert "zlib" in names and sum(name.startswith("musl-") for name in names) >= 5
    compared = 0
    for name in names:
        one, two = (library_sections(image, name) for image in images)
        for section in (f".text.{name}", f".rodata.{name}"):
            assert one.get(section) == two.get(section), section
            compared += len(one.get(section, (0, b""))[1])
    assert compared > 400_000


@pytest.mark.parametrize("app", ["hello", "json", "token", "sql", "lua"])
def test_all_apps_name_the_same_runs_for_the_libraries_they_share(checksum: Settings, app: str) -> None:
    def runs(name: str) -> dict[tuple[str, str], str | None]:
        extents = [one for one in manifest(checksum, name).extents if one.library and one.rights != "rw-"]
        return {(one.library or "", one.section): one.run for one in extents}

    ours, theirs = runs("gzip"), runs(app)
    common = ours.keys() & theirs.keys()
    assert len(common) > 20
    assert {key: ours[key] for key in common} == {key: theirs[key] for key in common}


def test_images_agree_with_the_map(home: Settings) -> None:
    state = GlobalMap(home.global_map).state()
    for app in ("hello", "gzip", "sql"):
        assert agreement(home.image_folder("aligned", app), state) == Agreement(state.generation, [])


def test_randomised_images_agree_with_the_map(aslr_home: Settings) -> None:
    state = GlobalMap(aslr_home.global_map).state()
    folder = aslr_home.image_folder("aslr", "gzip")
    assert agreement(folder, state) == Agreement(state.generation, [])
    # A home that was built before may have several versions of the library: the image's own is meant.
    libraries = Manifest.read(folder / "manifest.json").libraries
    zlib = state.frames[next(library.hash for library in libraries if library.name == "zlib")]
    state.frames[zlib.digest] = dataclasses.replace(zlib, windows={FrameKind.LINKAGE: Window(0x123450, 16, 16)})
    assert "zlib: its linkage is at" in agreement(folder, state).differences[0]
    with pytest.raises(BadInputError, match="uses no addresses of the map"):
        agreement(aslr_home.image_folder("dce", "gzip"), state)
