"""`unishare analyze`: its counts against a second, naive computation; and files that cannot be compared."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from formats.elf_writer import PAGE, Load, elf_file
from unishare.errors import BadInputError
from unishare.inspect.link_map import library_name, read_link_map
from unishare.inspect.memory_image import read_image
from unishare.inspect.page_equality import Counts, compare
from unishare.settings import Settings

CODE = """
#include <stdio.h>
int main(int argc, char **argv) {{ printf("{} %d\\n", argc); return 0; }}
"""


def naive(file: Path) -> dict[int, bytes]:
    """The pages of a program as the kernel would map them: program headers by hand, a byte at a time where segments meet."""
    data = file.read_bytes()
    start, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    memory: dict[int, bytearray] = {}
    for number in range(count):
        kind, _, offset, address, _, file_size, memory_size, _ = struct.unpack_from("<IIQQQQQQ", data, start + number * size)
        if kind != 1:
            continue
        for place in range(memory_size):
            page = memory.setdefault((address + place) // PAGE * PAGE, bytearray(PAGE))
            if place < file_size:
                page[(address + place) % PAGE] = data[offset + place]
    return {address: bytes(page) for address, page in memory.items()}


def naive_counts(files: list[Path]) -> list[Counts]:
    """Every page looked for in every other file."""
    pages = [naive(file) for file in files]
    counts = []
    for number, own in enumerate(pages):
        others = [other for place, other in enumerate(pages) if place != number]
        found = Counts(pages=len(own))
        for address, content in own.items():
            if not any(content):
                found.zero += 1
                continue
            found.equal += any(content in other.values() for other in others)
            found.same_address += any(other.get(address) == content for other in others)
        counts.append(found)
    return counts


def check(files: list[Path]) -> list[Counts]:
    images = [read_image(file) for file in files]
    for image, file in zip(images, files, strict=True):
        image.name = str(file)
    result = compare(images, 1000)
    found = [result.files[str(file)] for file in files]
    for ours, expected in zip(found, naive_counts(files), strict=True):
        assert (ours.pages, ours.zero, ours.equal, ours.same_address) == (
            expected.pages, expected.zero, expected.equal, expected.same_address,
        )  # fmt: skip
        assert ours.equal <= ours.masked <= ours.pages - ours.zero
    distinct = {content for file in files for content in naive(file).values() if any(content)}
    assert result.needs.ideal_ksm == len(distinct) * PAGE
    assert result.needs.unshared == 1000 * PAGE * sum(counts.pages for counts in found)
    assert sum(counts.pages for counts in result.sections.values()) == sum(counts.pages for counts in found)
    return found


def test_two_static_programs(tmp_path: Path) -> None:
    files = []
    for name in ("first", "second"):
        (tmp_path / f"{name}.c").write_text(CODE.format(name * 9))
        subprocess.run(["gcc", "-static", "-O1", "-o", str(tmp_path / name), str(tmp_path / f"{name}.c")], check=True)
        files.append(tmp_path / name)
    first, _ = check(files)
    # Strings of other lengths move all constants, and so nearly every page of code has other displacements; but for these it is the same.
    assert first.same_address < first.pages / 5 and first.masked > first.pages / 2


def test_two_programs_of_this_machine() -> None:
    files = [
        Path(found).resolve()
        for name in ("busybox", "ldconfig")
        if (found := shutil.which(name, path="/usr/bin:/usr/sbin:/sbin"))
    ]
    if len(files) < 2:
        pytest.skip("needs busybox and ldconfig")
    check(files)


@pytest.mark.parametrize("layout", ["default", "aligned"])
def test_two_of_our_images(layout: str) -> None:
    home = Settings(Path(os.environ.get("UNISHARE_HOME", Path(__file__).parents[2] / ".state")))
    files = [home.image_folder(layout, app) / "image.elf" for app in ("gzip", "lua")]
    if not all(file.is_file() for file in files):
        pytest.skip(f"needs gzip and lua built as {layout}")
    first, _ = check(files)
    assert (first.equal > first.pages / 2) == (layout == "aligned")


def noise(seed: int) -> bytes:
    return random.Random(seed).randbytes(PAGE)


def written(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def test_known_pages(tmp_path: Path) -> None:
    shared, own, other = noise(1), noise(2), noise(3)
    files = [
        written(tmp_path, "a", elf_file([Load(0x400000, shared + own, memory=4 * PAGE)])),
        written(tmp_path, "b", elf_file([Load(0x400000, shared), Load(0x600000, other + own)])),
    ]
    a, b = check(files)
    assert (a.pages, a.zero, a.equal, a.same_address) == (4, 2, 2, 1)
    assert (b.pages, b.zero, b.equal, b.same_address) == (3, 0, 2, 1)


def test_relocated_fields_are_ignored(tmp_path: Path) -> None:
    def program(value: int, field: int, *, recorded: bool) -> bytes:
        page = bytearray(noise(4))
        page[field : field + 4] = struct.pack("<I", value)
        records = struct.pack("<QQq", 0x400000 + field, 10, 0)
        sections = [(".text", 1, 0x400000, bytes(PAGE)), (".rela.text", 4, 0, records)] if recorded else None
        return elf_file([Load(0x400000, bytes(page))], sections=sections)

    for recorded, field, masked in ((True, 101, 1), (False, 100, 1), (False, 101, 0)):
        # By a record wherever it is; guessed only where an aligned word is an address of the image.
        files = [
            written(tmp_path, name, program(0x400010 + number, field, recorded=recorded)) for number, name in enumerate("ab")
        ]
        images = [read_image(file) for file in files]
        result = compare(images, 1)
        assert (result.files["a"].equal, result.files["a"].masked) == (0, masked), (recorded, field)
        assert bool(result.guessed) is not recorded


def test_a_call_into_the_image_is_a_field(tmp_path: Path) -> None:
    def program(target: int) -> bytes:
        page = bytearray(PAGE)
        page[1000:1005] = b"\xe8" + struct.pack("<i", target - (0x400000 + 1005))
        return elf_file([Load(0x400000, bytes(page) + noise(5))])

    inside = [read_image(written(tmp_path, name, program(target))) for name, target in (("a", 0x400100), ("b", 0x401100))]
    assert compare(inside, 1).files["a"].masked == 2
    outside = [read_image(written(tmp_path, name, program(target))) for name, target in (("a", 0x900100), ("b", 0x901100))]
    assert compare(outside, 1).files["a"].masked == 1


def test_one_file_is_compared_with_itself(tmp_path: Path) -> None:
    image = read_image(written(tmp_path, "dump", noise(1) * 3 + noise(2) + bytes(2 * PAGE) + b"tail"))
    counts = compare([image], 10).files["dump"]
    assert (counts.pages, counts.zero, counts.equal, counts.same_address) == (7, 2, 3, 0)


def test_a_huge_sparse_dump_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "dump"
    with file.open("wb") as stream:
        stream.truncate(1 << 40)
        stream.seek(1 << 39)
        stream.write(noise(1))
    image = read_image(file)
    assert image.count == (1 << 40) // PAGE and len(image.pages) == 1 and image.pages[0].address == 1 << 39


def test_an_elf_file_without_sections(tmp_path: Path) -> None:
    image = read_image(written(tmp_path, "a", elf_file([Load(0x400000, noise(1))])))
    assert [page.section for page in image.pages] == ["segment r-x"]


SOUND = elf_file([Load(0x400000, noise(1)), Load(0x600000, noise(2))])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (SOUND[:40], "cut off"),
        (SOUND[: len(SOUND) - 100], "ends at byte"),
        (elf_file([Load(0x400000, noise(1))], sections=[(".text", 1, 0x400000, bytes(PAGE))])[:-10], "cut off: its section headers"),
        (elf_file([Load(0x400000, noise(1))], machine=183), "another machine"),
        (SOUND[:4] + b"\x01" + SOUND[5:], "another machine"),
        (elf_file([Load(0x400000, noise(1) + noise(2)), Load(0x401000, noise(3))]), "overlaps"),
        (elf_file([Load(0x400000, noise(1), memory=1 << 50)]), "bytes"),
        (elf_file([Load(0x400000, noise(1), memory=100)]), "more bytes in the file"),
        (elf_file([]), "no loadable segment"),
        (elf_file([Load(0x400000, noise(1), file_size=1 << 63, memory=1 << 63)]), "ends at byte"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_compared(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        read_image(written(tmp_path, "bad", data))


def test_any_damage_is_refused_in_order(tmp_path: Path) -> None:
    """Bytes of a sound file changed by chance: a clear refusal or a result, never anything else."""
    draw = random.Random(5)
    sound = elf_file(
        [Load(0x400000, noise(1))], sections=[(".text", 1, 0x400000, bytes(PAGE)), (".rela.text", 4, 0, bytes(24))]
    )
    for _ in range(400):
        data = bytearray(sound)
        for _ in range(draw.randint(1, 4)):
            data[draw.choice([draw.randrange(64), draw.randrange(64, 120), draw.randrange(len(data))])] = draw.randrange(256)
        with contextlib.suppress(BadInputError):
            compare([read_image(written(tmp_path, "bad", bytes(data)))], 1)


def test_a_link_map_names_libraries(tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text(CODE.format("x"))
    command = ["gcc", "-static", "-o", str(tmp_path / "program"), str(tmp_path / "main.c"), f"-Wl,-Map={tmp_path / 'map'}"]
    subprocess.run(command, check=True)
    image = read_image(tmp_path / "program", read_link_map(tmp_path / "map"))
    libraries = compare([image], 1).libraries
    assert max(libraries, key=lambda name: libraries[name].pages) == "libc"
    assert library_name("/usr/lib/gcc/x/crtbeginT.o") == "crtbeginT.o"
    with pytest.raises(BadInputError, match="not a link map"):
        read_link_map(tmp_path / "main.c")
