"""A library's functions lie in the order that its recipe names, under every layout that keeps whole libraries."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolchain.project import Project
from unishare.errors import BadInputError, NotFoundError, UnishareError
from unishare.formats import elf
from unishare.formats.elf import ElfFile
from unishare.toolchain.objects.function_order import read_order

# Three pages of code between each two functions; one of them has a path that the compiler moves away.
PAD = '__attribute__((noinline, used)) static int pad{0}(int x) {{ __asm__ volatile(".zero 12288, 0x90"); return x + {0}; }}\n'
CODE = (
    '__attribute__((cold, noreturn, noinline)) void stop(int x) { for (;;) __asm__ volatile("" :: "r"(x)); }\n'
    "int first(int x) { if (x == 7) stop(x); return x * 3; }\n"
    + PAD.format(1)
    + "int second(int x) { return x * 5; }\n"
    + PAD.format(2)
    + '__attribute__((noinline)) static int third(int x) { __asm__ volatile(""); return x * 7; }\n'
    + PAD.format(3)
    + "int last(int x) { return third(x) + pad1(x) + pad2(x) + pad3(x); }\n"
)
MAIN = "int first(int), last(int); int main(void) { return first(1) + last(2); }\n"


def project(folder: Path, order: str | None) -> Project:
    made = Project(folder)
    made.library("pieces", CODE, more='order = "pieces.order"' if order is not None else "")
    if order is not None:
        (made.folder / "libraries" / "pieces.order").write_text(order)
    made.app("user", MAIN, ["pieces"])
    return made


def addresses(made: Project, layout: str) -> dict[str, int]:
    """Where the library's functions lie."""
    (image,) = made.build(["user"], layout)
    files = [image.folder / "image.elf", *sorted(image.folder.glob("modules/*"))]
    for file in files:
        found = {symbol.name: symbol.value for symbol in ElfFile.read(file).symbol_table(elf.SHT_SYMTAB) if symbol.size}
        if "third" in found and "last" in found:
            return found
    raise AssertionError(f"no file of {image.folder} has the library's functions")


@pytest.mark.parametrize("layout", ["aligned", "aslr", "default"])
def test_named_functions_lie_side_by_side_before_all_others(tmp_path: Path, layout: str) -> None:
    found = addresses(project(tmp_path, "last\nthird # local to its file\n\n# comment\nfirst\nno_such_function\n"), layout)
    order = sorted((found[name], name) for name in ("first", "second", "third", "last", "pad1", "pad2", "pad3", "stop"))
    names = [name for _, name in order]
    assert names[:3] == ["last", "third", "first"]
    assert found["first"] - found["last"] < 1024
    # What the compiler found unlikely is not among what requests execute.
    assert names[3] == "stop"


def test_without_an_order_functions_lie_apart(tmp_path: Path) -> None:
    found = addresses(project(tmp_path, None), "aligned")
    assert abs(found["last"] - found["first"]) > 2 * 12288


def test_another_order_is_another_object_and_the_same_is_the_same(tmp_path: Path) -> None:
    made = project(tmp_path, "last\n")
    (before,) = made.build(["user"])
    text = (before.folder / "image.elf").read_bytes()
    (again,) = made.build(["user"])
    assert (again.folder / "image.elf").read_bytes() == text
    (made.folder / "libraries" / "pieces.order").write_text("first\nlast\n")
    found = addresses(made, "aligned")
    assert found["first"] < found["last"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("first\nsecond\nfirst\n", r"order:3: first is named twice, first in line 1"),
        ("first second\n", r"order:1: 'first second' is not the name of a function"),
        ("*\n", r"order:1: '\*' is not the name of a function"),
        ("x) } SECTIONS {\n", "is not the name of a function"),
    ],
)
def test_what_is_no_order_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        project(tmp_path, text).build(["user"])


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    made = project(tmp_path, "")
    file = made.folder / "libraries" / "pieces.order"
    file.unlink()
    with pytest.raises(NotFoundError, match=r"pieces\.order does not exist"):
        made.build(["user"])
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UnishareError, match="is not text"):
        made.build(["user"])


def test_comments_and_empty_lines_name_nothing(tmp_path: Path) -> None:
    file = tmp_path / "order"
    file.write_text("# of a measurement\n\n  first  # often\nsecond\n")
    assert read_order(file) == ("first", "second")
