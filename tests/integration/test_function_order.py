"""packaging/function-order finds what a request executes, by single steps."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from integration.conftest import ROOT, build
from unishare.settings import Settings
from unishare.toolchain.recipes.catalog import Catalog

LIBRARY = """name = "pieces"
version = "1"
license = "0BSD"
[source]
provider = "folder"
path = "pieces-source"
[build]
files = ["*.c"]
public_include = ["."]
order = "pieces.order"
"""
CODE = """#include "pieces.h"
__attribute__((noinline)) static int inner(int x) { __asm__ volatile(""); return x + 1; }
int always(int x) { return inner(x) * 3; }
int sometimes(int x) { return x * 5; }
int never(int x) { return x * 7; }
"""
HEADER = "int always(int), sometimes(int), never(int);\n"
MAIN = """#include <unishare/function.h>
#include "pieces.h"
static int answer(const unishare_request *request, unishare_answer *answer)
{
    int x = always((int)request->size);

    if (request->size > 2)
        x = sometimes(x);
    if (request->size > 9)
        x = never(x);
    unishare_answer_printf(answer, "%d", x);
    return 0;
}
int main(void) { return unishare_serve(answer); }
"""
APP = """name = "asker"
libraries = ["pieces", "unishare-invoke"]
[[example]]
request = "a"
answer = "6"
[[example]]
request = "abc"
answer = "60"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="following a sandboxed instance by steps is root's")
def test_what_examples_execute_is_written_what_most_of_them_do_first(tmp_path: Path) -> None:
    libraries, app = tmp_path / "libraries", tmp_path / "apps" / "asker"
    (libraries / "pieces-source").mkdir(parents=True)
    app.mkdir(parents=True)
    (libraries / "pieces.toml").write_text(LIBRARY)
    (libraries / "pieces-source" / "pieces.c").write_text(CODE)
    (libraries / "pieces-source" / "pieces.h").write_text(HEADER)
    order = libraries / "pieces.order"
    order.write_text("")
    (app / "main.c").write_text(MAIN)
    (app / "app.toml").write_text(APP)
    settings = Settings(tmp_path / "home")
    settings.pool.parent.mkdir()
    warm = Path(os.environ.get("UNISHARE_HOME", ROOT / ".state")).absolute()
    for name in ("sources", "objects"):
        (tmp_path / "home" / name).symlink_to(warm / name)
    build(settings, Catalog([tmp_path]), ("asker",), ("aligned",))

    command = [sys.executable, str(ROOT / "packaging" / "function-order"), str(tmp_path), "asker"]
    environment = {**os.environ, "UNISHARE_HOME": str(settings.pool.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr
    names = [line for line in order.read_text().splitlines() if not line.startswith("#")]
    assert names == ["always", "inner", "sometimes"]
