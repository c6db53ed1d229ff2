"""`unishare init` and `library check` as commands: what they print, write, refuse and exit with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = 'name = "mine"\nversion = "1"\nlicense = "0BSD"\n[source]\nprovider = "folder"\npath = "../code"\n[build]\nfiles = ["*.c"]\n'


def unishare(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a folder with a home of its own beside it."""
    environment = {**os.environ, "UNISHARE_HOME": str(folder.parent / "home"), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", "from unishare.cli.entry import main; main()", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(("language", "handler"), [("c", "handler.c"), ("lua", "handler.lua"), ("javascript", "handler.js")])
def test_init_writes_a_project_and_says_what_is_next(here: Path, language: str, handler: str) -> None:
    done = unishare(here, "init", "--lang", language, "greeter")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"greeter/{handler} is yours to change. Next:",
        "  cd greeter && unishare build && unishare invoke --data world",
    ]
    editors = ["jsconfig.json", "unishare.d.ts"] if language == "javascript" else []
    assert sorted(path.name for path in (here / "greeter").iterdir()) == ["app.toml", handler, *editors]


def test_init_refuses_what_exists_and_wrong_names_and_languages(here: Path) -> None:
    (here / "greeter").mkdir()
    for arguments, code, said in (
        (["--lang", "lua", "greeter"], 65, "greeter exists already"),
        (["--lang", "lua", "Greeter"], 65, "'Greeter' cannot be the name of an app"),
        (["--lang", "cobol", "other"], 66, "unknown language 'cobol'"),
        (["--lang", "lua", "gone/other"], 66, "gone is not a folder"),
        (["other"], 2, "Missing option '--lang'"),
    ):
        done = unishare(here, "init", *arguments)
        assert (done.returncode, done.stdout) == (code, "")
        assert said in done.stderr and "Traceback" not in done.stderr
    assert [path.name for path in here.iterdir()] == ["greeter"]
    assert list((here / "greeter").iterdir()) == []


def test_init_says_when_the_catalogue_has_the_name(here: Path) -> None:
    done = unishare(here, "init", "--lang", "lua", "hello")
    assert done.returncode == 0
    assert "the catalogue has an app hello too" in done.stderr


def test_without_an_image_and_outside_a_project_run_and_invoke_say_so(here: Path) -> None:
    for command in ("run", "invoke"):
        done = unishare(here, command)
        assert done.returncode == 2
        assert "name an image" in done.stderr


def test_in_a_project_that_is_not_built_invoke_says_how(here: Path) -> None:
    unishare(here, "init", "--lang", "lua", "greeter")
    done = unishare(here / "greeter", "invoke", "--data", "x")
    assert done.returncode == 66
    assert "error: the app 'greeter' is not built\nhint: unishare build greeter\n" in done.stderr


@pytest.fixture
def library(here: Path) -> Path:
    (here / "libraries").mkdir()
    (here / "code").mkdir()
    (here / "libraries" / "mine.toml").write_text(LIBRARY)
    (here / "code" / "mine.c").write_text("static int state; int mine(void) { return ++state; }")
    return here


@pytest.mark.parametrize("name", ["mine", "libraries/mine.toml"])
def test_a_clean_library_exits_with_0(library: Path, name: str) -> None:
    done = unishare(library, "library", "check", name)
    assert done.returncode == 0, done.stderr
    assert "mine: nothing breaks linking or sharing" in done.stdout
    assert "state (4)" in done.stdout


def test_findings_exit_with_1_and_json_is_whole(library: Path) -> None:
    (library / "code" / "mine.c").write_text("int nobody_has_this(void); int mine(void) { return nobody_has_this(); }")
    done = unishare(library, "library", "check", "mine", "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["clean"] is False
    assert [(one["kind"], one["effect"], one["subjects"]) for one in report["findings"]] == [
        ("undefined", "breaks linking", ["nobody_has_this"])
    ]
    assert unishare(library, "library", "check", "mine").returncode == 1


def test_an_unknown_library_and_a_missing_recipe_are_not_found(library: Path) -> None:
    for name, said in (("mime", "Did you mean mine"), ("libraries/gone.toml", "no such file")):
        done = unishare(library, "library", "check", name)
        assert (done.returncode, done.stdout) == (66, "")
        assert said in done.stderr
