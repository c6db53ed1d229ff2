"""Layout `aslr`: modules are the same in all images, work at any bases, and what cannot be one is refused with its place."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from toolchain.project import Project
from unishare.errors import BadInputError
from unishare.formats.elf import ElfFile

LOADER = Path(__file__).with_name("aslr_loader.py")
ALPHA = """
static const char *const names[] = {"zero", "one", "two"};
static int counter = 5; int alpha_shared = 3; static int zeros[50];
static int first(int i) { return names[i % 3][0]; }
static int second(int i) { return zeros[i % 50]++ + counter; }
static int (*const table[])(int) = {first, second};
__attribute__((weak)) int hook(int i) { return i; }
int missing(void) __attribute__((weak));
int alpha(int i) { return table[i & 1](i) + hook(100) + (missing ? 1000 : 0); }
"""
BETA = "extern int alpha_shared; int alpha(int); int *where = &alpha_shared; int hook(int i) { return 2 * i; } int beta(int i) { *where += i; return alpha(i) + alpha_shared; }"
SWITCH = "int gamma_(int i) { switch (i) { case 1: return 7; case 2: return 9; case 3: return 1; case 4: return 4; case 5: return 80; default: return 2; } }"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.library("alpha", ALPHA)
    made.library("beta", BETA, ["alpha"])
    made.library("gamma", SWITCH)
    made.app("one", "int beta(int); int main(void) { return beta(1); }", ["beta"], {"a.txt": "hello"})
    made.app("two", "int alpha(int), gamma_(int); int main(void) { return alpha(1) + gamma_(2); }", ["alpha", "gamma"])
    return made


def folder(project: Project, app: str) -> Path:
    return project.settings.image_folder("aslr", app)


def call(project: Project, app: str, symbol: str, argument: int, seed: int) -> int:
    command = [sys.executable, LOADER, folder(project, app), symbol, str(argument), str(seed)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return int(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


@pytest.mark.parametrize("seed", range(5))
def test_modules_work_at_any_bases(project: Project, seed: int) -> None:
    project.build(["one", "two"], "aslr")
    # beta overrides alpha's weak hook in every image that holds beta, and only there.
    assert call(project, "one", "beta", 1, seed) == (0 + 5 + 200) + (3 + 1)
    assert call(project, "one", "alpha", 1, seed) == 205
    assert call(project, "two", "alpha", 2, seed) == ord("t") + 100
    assert call(project, "two", "gamma_", 5, seed) == 80


def test_a_library_is_the_same_module_in_all_images(project: Project) -> None:
    project.build(["one", "two"], "aslr")
    one, two = (folder(project, app) / "modules" / "alpha.so" for app in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_relocations_touch_only_pages_that_the_loader_writes(project: Project) -> None:
    project.build(["one"], "aslr")
    facts = json.loads((folder(project, "one") / "image.json").read_text())
    elves = [ElfFile.read(folder(project, "one") / module["file"]) for module in facts["modules"]]
    records = list(struct.iter_unpack("<IIQq", (folder(project, "one") / "relocations.bin").read_bytes()))
    assert len(records) == facts["relocations"]["count"] > 128
    for module, _, offset, _ in records:
        segment = next(
            one for one in elves[module].segments if one.type == 1 and one.address <= offset < one.address + one.memory_size
        )
        assert segment.flags in (4, 6)
        section = next(
            one for one in elves[module].sections if one.address <= offset < one.address + one.size and one.flags & 2
        )
        assert section.name in (".unishare.image", ".got", ".got.plt", ".data.rel.ro", ".data", ".init_array")


def test_constructors_of_libraries_come_before_the_apps_in_the_table(project: Project) -> None:
    project.library("early", "int early_done; __attribute__((constructor)) static void go(void) { early_done = 1; }")
    project.app(
        "three",
        "static int x; __attribute__((constructor)) static void go(void) { x = 1; } int main(void) { return x; }",
        ["early"],
    )
    project.build(["three"], "aslr")
    app = ElfFile.read(folder(project, "three") / "image.elf")
    table = next(one.value for one in app.symbols() if one.name == "unishare_image_table")
    records = struct.iter_unpack("<IIQq", (folder(project, "three") / "relocations.bin").read_bytes())
    slots = {offset: target for module, target, offset, _ in records if module == 0}
    facts = json.loads((folder(project, "three") / "image.json").read_text())
    names = [module["name"] for module in facts["modules"]]
    assert [names[slots[table + 0x100 + 8 * slot]] for slot in range(3)] == ["early", "three", "boot"]


def refused(project: Project, kind: type[Exception]) -> str:
    with pytest.raises(kind) as caught:
        project.build(["bad"], "aslr")
    assert not folder(project, "bad").exists()
    return f"{caught.value} {getattr(caught.value, 'hint', '')}"


def test_absolute_code_is_refused_with_section_and_offset(project: Project) -> None:
    project.library("alpha", 'int value; int alpha(int i); __asm__(".text\\n.globl alpha\\nalpha: mov $value, %eax\\nret\\n");')
    project.app("bad", "int alpha(int); int main(void) { return alpha(1); }", ["alpha"])
    message = refused(project, BadInputError)
    assert "alpha: .text+0x1 is not position-independent: R_X86_64_32 against value" in message
    assert "-fPIC" in message


def test_thread_local_data_is_refused(project: Project) -> None:
    project.app("bad", "__thread int x = 1; int main(void) { return x; }", [])
    assert "thread-local" in refused(project, BadInputError)


def test_parts_of_one_library_reach_each_others_hidden_symbols(project: Project) -> None:
    project.library("alpha", '__attribute__((visibility("hidden"))) int alpha(int i) { return i + 40; }')
    project.app("three", "int alpha(int); int three(int i) { return alpha(i); } int main(void) { return three(1); }", ["alpha"])
    project.build(["three"], "aslr")
    assert call(project, "three", "three", 2, 1) == 42


def test_an_ifunc_is_refused(project: Project) -> None:
    project.library(
        "alpha",
        "static int real(int i) { return i; } static void *choose(void) { return (void *)real; }"
        'int alpha(int i) __attribute__((ifunc("choose")));',
    )
    project.app("bad", "int alpha(int); int main(void) { return alpha(1); }", ["alpha"])
    message = refused(project, BadInputError)
    assert "not supported" in message and "alpha" in message
