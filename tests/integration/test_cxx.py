"""A C++ program and its C++ library give the same answer in every layout: constructors, destructors, and variables that both define."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from integration.conftest import second_home

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


# ISO C++17, table 18 ("C++ headers for C library facilities"), without threads and what C++ has emptied.
HEADERS_OF_C = [
    "cassert",
    "cctype",
    "cerrno",
    "cfloat",
    "cinttypes",
    "climits",
    "clocale",
    "cmath",
    "csetjmp",
    "csignal",
    "cstdarg",
    "cstddef",
    "cstdint",
    "cstdio",
    "cstdlib",
    "cstring",
    "ctime",
    "cwchar",
    "cwctype",
]
NAMES = """
int main() {
    std::size_t size = std::strlen("abc");
    std::uint8_t letter = std::toupper('a');
    std::tm time{};
    std::printf("%d %c %d %.1f %.1f\\n", int(size), letter, std::abs(-4), std::abs(-1.5), double(std::sqrt(4.0f)));
    std::printf("%d %d %d\\n", std::isnan(std::nan("")) && isnan(NAN), std::isless(1.0f, 2.0f), std::towlower(L'B') == L'b');
    return std::strcmp("a", "b") < 0 ? time.tm_sec : 1;
}
"""


@pytest.mark.parametrize("layout", ["default", "dce", "aligned", "aslr"])
def test_a_cxx_program_is_the_same_in_every_layout(tmp_path: Path, layout: str) -> None:
    source = tmp_path / "project" / "libraries" / "said"
    source.mkdir(parents=True)
    (source / "said.h").write_text(HEADER)
    (source / "said.cc").write_text(LIBRARY)
    (source.parent / "said.toml").write_text(
        'name = "said"\nversion = "1"\nlicense = "0BSD"\n[source]\nprovider = "folder"\npath = "said"\n'
        '[build]\nlanguage = "c++"\nfiles = ["*.cc"]\npublic_include = ["."]\n[link]\nneeds = ["unishare-cxx"]\n'
    )
    assert answer(tmp_path, layout, APP, "said") == (3, ANSWER)


def test_the_headers_of_c_have_their_names_in_std(tmp_path: Path) -> None:
    code = "".join(f"#include <{header}>\n" for header in HEADERS_OF_C) + NAMES
    assert answer(tmp_path, "dce", code, "unishare-cxx") == (0, "3 A 4 1.5 2.0\n1 1 1\n")


def answer(tmp_path: Path, layout: str, code: str, library: str) -> tuple[int, str]:
    """Status and output of a program in C++ with a library, in a home that has what is compiled already."""
    home, project = second_home(tmp_path).home, tmp_path / "project"
    project.mkdir(exist_ok=True)
    (project / "main.cc").write_text(code)
    (project / "app.toml").write_text(
        f'name = "program"\nlibraries = ["{library}", "musl-stdio"]\n[build]\nlanguage = "c++"\nfiles = ["*.cc"]\n'
    )
    environment = {**os.environ, "UNISHARE_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    unishare = [sys.executable, "-c", "from unishare.cli.entry import main; main()"]
    for command in (["build", "--layout", layout], ["run", f"{layout}:program", "--tender", "process"]):
        done = subprocess.run(
            [*unishare, *command], cwd=project, env=environment, capture_output=True, text=True, timeout=600, check=False
        )
        assert command[0] == "run" or done.returncode == 0, done.stderr
    return done.returncode, done.stdout
