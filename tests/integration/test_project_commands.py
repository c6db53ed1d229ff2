"""What people type in a project folder: examples as tests, requests from pipes, variables, several layouts at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from integration.test_languages import Function

EXAMPLES = '\n[[example]]\nrequest = "a"\nanswer = "hello, a\\n"\n\n[[example]]\nrequest = "b"\nanswer = "hello, {answer}\\n"\n'


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Function:
    return Function(tmp_path_factory.mktemp("project"), "c")


def with_examples(function: Function, answer: str) -> None:
    recipe = function.folder / "app.toml"
    text, _, _ = recipe.read_text().partition("[[example]]")
    recipe.write_text(text + EXAMPLES.format(answer=answer))


def test_a_projects_examples_are_its_tests(function: Function) -> None:
    with_examples(function, "b")
    assert b"2 of 2 examples answered right" in function.must("test", "--tender", "process")
    with_examples(function, "c")
    done = function.command("test", "--tender", "process", "--json")
    assert done.returncode == 1
    first, second = json.loads(done.stdout)
    assert first["problem"] is None
    assert second["example"] == 2 and "wrong answer" in second["problem"]


def test_the_request_may_come_through_a_pipe(function: Function) -> None:
    function.must("build")
    program = f"{sys.executable} -m unishare --home {function.home}"
    line = f"printf piped | {program} invoke --tender process; {program} invoke --tender process < /dev/null"
    done = subprocess.run(["bash", "-c", line], cwd=function.folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "hello, piped\nhello, \n", done.stderr


def test_several_layouts_are_built_at_once(function: Function) -> None:
    built = json.loads(function.must("build", "--layout", "dce", "--layout", "aligned", "--json"))
    assert [image["layout"] for image in built["images"]] == ["dce", "aligned"]
    assert all(Path(image["manifest"]).is_file() for image in built["images"])


def test_variables_are_for_an_instance_that_is_started(function: Function) -> None:
    source = next(function.folder.glob("*.c"))
    source.write_text("#include <stdlib.h>\n" + source.read_text().replace('"hello, "', 'getenv("GREETING")'))
    if "getenv" not in source.read_text():
        pytest.fail("the template's greeting has changed: change this test")
    function.must("build")
    assert function.must("invoke", "--tender", "process", "--data", "x", "--env", "GREETING=good day, ") == b"good day, x\n"
