"""No object tells in which folder it was compiled, not even the one that a symbolic link leads to."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from unishare.toolchain.objects.compilation import Unit, submit
from unishare.toolchain.tools.commands import Tools
from unishare.toolchain.tools.compiler import Compiler, Variant

FILES = {
    "work.c": '#include <outer.h>\n#include "inner.h"\nconst char *here(void) { return __FILE__; }\nint work(int x) { return outer(x) + inner(x); }\n',
    "inner.h": "static int inner(int x) { return x * 3; }\n",
    "public/outer.h": "static int outer(int x) { return x * 5; }\n",
    "enter.S": ".text\n.globl enter\nenter:\n\tnop\n\tret\n",
}


def write(folder: Path) -> Path:
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def compiled(root: Path, file: str, into: Path) -> bytes:
    tools = Tools()
    compiler = Compiler(tools)
    unit = Unit(
        owner="work",
        recipe=root / "work.toml",
        root=root,
        files=(file,),
        language="c",
        flags=(f"-isystem{root / 'public'}",),
        prefixes=((str(root), "/unishare/work-1"), (str(compiler.include), "/unishare/compiler")),
        covered=(root,),
    )
    into.mkdir()
    with ThreadPoolExecutor() as pool:
        (done,) = submit(unit, Variant.WHOLE, compiler, tools, pool, into)
        return done.result().object.read_bytes()


@pytest.mark.parametrize("file", ["work.c", "enter.S"])
def test_an_object_is_the_same_wherever_its_sources_lie(tmp_path: Path, file: str) -> None:
    plain = compiled(write(tmp_path / "plain"), file, tmp_path / "first")
    write(tmp_path / "elsewhere" / "deeper")
    (tmp_path / "link").symlink_to("elsewhere")
    assert compiled(tmp_path / "link" / "deeper", file, tmp_path / "second") == plain
    assert str(tmp_path).encode() not in plain
