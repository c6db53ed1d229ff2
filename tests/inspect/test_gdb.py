"""The gdb command file: what it says for which instance."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from unishare.errors import NotFoundError
from unishare.fleet.messages import Bases, ModuleBase
from unishare.inspect.gdb import command_file


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shared object in a folder whose name needs quotes."""
    folder = tmp_path_factory.mktemp('a "b')
    (folder / "m.c").write_text("int f(int i) { return i + 1; }\n")
    command = ["gcc", "-shared", "-fPIC", "-nostdlib", "-Wl,-z,noseparate-code", "-o", "m.so", "m.c"]
    subprocess.run(command, cwd=folder, check=True, timeout=60)
    return folder / "m.so"


def bases(*modules: ModuleBase) -> Bases:
    return Bases(random=True, seed=None, hypercall="0x7000", modules=list(modules))


def test_symbols_go_to_each_modules_own_base(module: Path) -> None:
    two = bases(
        *(ModuleBase(module=name, base=base, file=str(module)) for name, base in (("a", "0x100000"), ("b", "0x900000")))
    )
    lines = command_file("x-1", two, None).splitlines()
    quoted = str(module).replace('"', '\\"')
    assert lines[-2:] == [f'add-symbol-file "{quoted}" -o 0x100000', f'add-symbol-file "{quoted}" -o 0x900000']
    assert not any(line.startswith(("attach", "mem", "python")) for line in lines)


def test_what_can_be_attached_to_is_and_its_code_is_known_to_be_read_only(module: Path) -> None:
    text = command_file("x-1", bases(ModuleBase(module="a", base="0x100000", file=str(module))), 4711)
    lines = text.splitlines()
    assert lines.index("attach 4711") < next(number for number, line in enumerate(lines) if line.startswith("add-symbol-file"))
    code = [line.split()[1:] for line in lines if line.startswith("mem 0x")]
    assert [(start, rights) for start, _, rights in code] == [("0x100000", "ro")]
    assert "PAGE = 0x7000" in lines and "HYPERCALL_PAGE" not in text


def test_a_module_without_its_file_is_named_and_the_others_serve(module: Path) -> None:
    some = bases(ModuleBase(module="a", base="0x1000", file=None), ModuleBase(module="b", base="0x9000", file=str(module)))
    text = command_file("x-1", some, None)
    assert "# a: its ELF file is gone" in text and text.count("add-symbol-file") == 1


def test_an_image_that_is_gone_is_an_error_that_says_so() -> None:
    with pytest.raises(NotFoundError) as caught:
        command_file("x-1", bases(ModuleBase(module="a", base="0x1000", file=None)), 4711)
    assert "x-1" in caught.value.message and "Build the image" in str(caught.value.hint)
