"""What asks for more than a page of alignment lies right in fixed layouts, and is refused where a module may begin at any page."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolchain.project import Project
from unishare.errors import BadInputError

WIDE = 16384
PARTS = {
    ".data": "{name} = {{1}}; {other} = 2;",
    ".bss": "{name}; {other};",
    ".rodata": "const {name} = {{1}}; const {other} = 2;",
}
CODE = {
    section: text.format(name=f"char wide[100] __attribute__((aligned({WIDE})))", other="char narrow")
    for section, text in PARTS.items()
}
CODE[".text"] = f"__attribute__((aligned({WIDE}))) int wide(void) {{ return 1; }} int narrow(void) {{ return 2; }}"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def in_library(project: Project, section: str) -> None:
    project.library("alpha", CODE[section])
    project.library("before", "char filler[77] = {1}; char more[55]; const char third[33] = {1}; int code(void) { return 3; }")
    project.app("one", "extern char wide[], filler[]; int main(void) { return wide[0] + filler[0]; }", ["before", "alpha"])


def in_app(project: Project, section: str) -> None:
    project.app("one", f"{CODE[section]} int main(void) {{ return 0; }}", [])


@pytest.mark.parametrize("section", CODE)
@pytest.mark.parametrize("layout", ["default", "dce", "aligned"])
@pytest.mark.parametrize("where", [in_library, in_app])
def test_fixed_layouts_place_it_right(project: Project, layout: str, section: str, where: object) -> None:
    assert callable(where)
    where(project, section)
    project.build(["one"], layout)
    found = [one.value for one in project.elf("one", layout).symbols() if one.name == "wide"]
    assert found or layout == "dce"
    assert all(address % WIDE == 0 for address in found)


@pytest.mark.parametrize("section", CODE)
@pytest.mark.parametrize("where", [in_library, in_app])
def test_random_addresses_refuse_it_with_the_remedy(project: Project, section: str, where: object) -> None:
    assert callable(where)
    where(project, section)
    with pytest.raises(BadInputError) as caught:
        project.build(["one"], "aslr")
    assert f"{section} is aligned to {WIDE} bytes" in caught.value.message
    assert "aligned_alloc" in str(caught.value.hint)


def test_a_page_is_not_too_much(project: Project) -> None:
    project.app("one", "char wide[100] __attribute__((aligned(4096))) = {1}; int main(void) { return wide[0]; }", [])
    project.build(["one"], "aslr")


@pytest.mark.parametrize("wide", [64, 128, 4096])
def test_thread_local_data_says_its_alignment(project: Project, wide: int) -> None:
    project.app(
        "one",
        f"__thread char a = 1; __thread char b[100] __attribute__((aligned({wide}))); int main(void) {{ return a + b[0]; }}",
        [],
    )
    project.build(["one"])
    elf = project.elf("one")
    table = next(section for section in elf.sections if section.name == ".unishare.image")
    # The C library places the copy as far from a multiple of it as the template is (abi.h, tls_alignment).
    assert int.from_bytes(elf.content(table)[40:48], "little") == wide
