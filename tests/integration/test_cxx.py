"""A C++ program and its C++ library give the same answer in every layout: constructors, destructors, and variables that both define."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEADER = """
#include <cstdio>
inline int &counter() { static int count; return count; }
template <class T> struct Box { static T value; };
template <class T> T Box<T>::value = 10;
struct Said {
    const char *name;
    explicit Said(const char *given) : name(given) { printf("%d +%s\\n", ++counter(), name); }
    ~Said() { printf("%d -%s\\n", ++counter(), name); }
};
"""
LIBRARY = '#include "said.h"\nstatic Said own("library");\nextern "C" int twice() { static Said inner("inner"); return 2 * ++Box<int>::value; }\n'
APP = (
    '#include "said.h"\nextern "C" int twice();\nstatic Said own("app");\n'
    'int main() { printf("main %d\\n", twice()); Box<int>::value = 20; printf("again %d\\n", twice()); return counter(); }\n'
)
ANSWER = "1 +library\n2 +app\n3 +inner\nmain 22\nagain 42\n4 -inner\n5 -app\n6 -library\n"


@pytest.mark.parametrize("layout", ["default", "dce", "aligned", "aslr"])
def test_a_cxx_program_is_the_same_in_every_layout(tmp_path: Path, layout: str) -> None:
    warm = Path(os.environ.get("UNISHARE_HOME", ROOT / ".state")).absolute()
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    for name in ("sources", "objects"):
        (warm / name).mkdir(parents=True, exist_ok=True)
        (home / name).symlink_to(warm / name)
    source = project / "libraries" / "said"
    source.mkdir(parents=True)
    (source / "said.h").write_text(HEADER)
    (source / "said.cc").write_text(LIBRARY)
    (project / "libraries" / "said.toml").write_text(
        'name = "said"\nversion = "1"\nlicense = "0BSD"\n[source]\nprovider = "folder"\npath = "said"\n'
        '[build]\nlanguage = "c++"\nfiles = ["*.cc"]\npublic_include = ["."]\n[link]\nneeds = ["unishare-cxx"]\n'
    )
    (project / "main.cc").write_text(APP)
    (project / "app.toml").write_text('name = "program"\nlibraries = ["said"]\n[build]\nlanguage = "c++"\nfiles = ["*.cc"]\n')
    environment = {**os.environ, "UNISHARE_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    unishare = [sys.executable, "-c", "from unishare.cli.entry import main; main()"]
    for command, code, said in (
        (["build", "--layout", layout], 0, None),
        (["run", f"{layout}:program", "--tender", "process"], 3, ANSWER),
    ):
        done = subprocess.run(
            [*unishare, *command], cwd=project, env=environment, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == code, done.stderr
        assert said is None or done.stdout == said
