"""`unishare init`, `build` and `invoke` in a project folder, for each language of the catalogue, with what users get wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from integration.conftest import second_home

BROKEN = {"lua": "return = 5\n", "javascript": "module.exports = function () {\n  return 1 +;\n};\n"}
MESSAGE = {"lua": "/handler.lua:1: unexpected symbol near '='", "javascript": "/handler.js:2:13: SyntaxError"}
FAILING = {
    "lua": "return function ()\n  error('no luck')\nend\n",
    "javascript": "module.exports = function () {\n  throw new Error('no luck');\n};\n",
}
PLACE = {"lua": "/app/handler.lua:2: no luck", "javascript": "/app/handler.js:2"}
NO_FUNCTION = {"lua": "return 5\n", "javascript": "exports.answer = 5;\n"}


class Function:
    """A project folder, and a home that takes compiled libraries from the one `make` uses."""

    def __init__(self, folder: Path, language: str) -> None:
        self.home = second_home(folder).home
        self.folder = folder
        self.must("init", "--lang", language, "greeter")
        self.folder = folder / "greeter"
        self.handler = next(self.folder.glob("handler.*"))

    def command(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, "UNISHARE_HOME": str(self.home), "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", "from unishare.cli.entry import main; main()", *arguments]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, timeout=600, check=False)

    def must(self, *arguments: str) -> bytes:
        done = self.command(*arguments)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def build(self) -> tuple[int, bytes, str]:
        """Build: exit code, stdout, stderr."""
        done = self.command("build")
        return done.returncode, done.stdout, done.stderr.decode()

    def ask(self, request: str) -> tuple[int, bytes, str]:
        """Build and ask: status, answer, what was said on stderr."""
        self.must("build")
        done = self.command("invoke", "--tender", "process", "--data", request)
        return done.returncode, done.stdout, done.stderr.decode()


@pytest.fixture(params=["c", "lua", "javascript"])
def function(request: pytest.FixtureRequest, tmp_path: Path) -> Function:
    return Function(tmp_path, request.param)


@pytest.fixture(params=["lua", "javascript"])
def script(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Function]:
    return request.param, Function(tmp_path, request.param)


def test_a_new_project_answers(function: Function) -> None:
    assert function.ask("wörld \U0001f30d")[:2] == (0, "hello, wörld \U0001f30d\n".encode())


def test_what_is_wrong_with_a_script_is_told_in_the_interpreters_words(script: tuple[str, Function]) -> None:
    language, function = script
    function.handler.write_text(BROKEN[language])
    code, answer, said = function.build()
    assert (code, answer) == (65, b"")
    assert MESSAGE[language] in said
    function.handler.write_text(NO_FUNCTION[language])
    said = function.ask("x")[2]
    assert "function" in said and "did not answer" in said
    assert "unishare logs" not in said  # nothing of an instance of one request is kept


def test_a_failure_in_a_request_is_the_answer_with_status_1(script: tuple[str, Function]) -> None:
    language, function = script
    function.handler.write_text(FAILING[language])
    code, answer, said = function.ask("x")
    assert code == 1
    assert b"no luck" in answer and PLACE[language] in answer.decode()
    assert "no luck" in said


def test_a_changed_script_answers_after_the_next_build(script: tuple[str, Function]) -> None:
    function = script[1]
    function.ask("x")
    function.handler.write_text(function.handler.read_text().replace("hello", "goodbye"))
    assert function.ask("x")[:2] == (0, b"goodbye, x\n")


def test_every_script_in_lua_is_looked_at_and_a_first_line_for_a_shell_is_none_of_it(tmp_path: Path) -> None:
    function = Function(tmp_path, "lua")
    recipe = function.folder / "app.toml"
    recipe.write_text(recipe.read_text().replace('"/app/handler.lua" = "handler.lua"', '"/app" = { glob = ["*.lua"] }'))
    (function.folder / "words.lua").write_text("return {\n  hello = 'good day',\n  = 1\n}\n")
    function.handler.write_text(
        "#!/usr/bin/lua\nlocal words = require 'words'\nreturn function (name) return words.hello .. name end\n"
    )
    code, _, said = function.build()
    assert code == 65 and f"{function.folder}/words.lua:3: unexpected symbol near '='" in said
    (function.folder / "words.lua").write_text("#")
    assert "words" in function.ask("x")[2]
    (function.folder / "words.lua").write_text("return { hello = 'good day, ' }\n")
    assert function.ask("x")[:2] == (0, b"good day, x")
    recipe.write_text(recipe.read_text().replace('"*.lua"', '"words.lua"'))
    assert "no handler: put" in function.build()[2]


def test_javascript_gets_any_bytes(tmp_path: Path) -> None:
    function = Function(tmp_path, "javascript")
    function.handler.write_text(
        "module.exports = function (text, bytes) { return { answer: bytes.length ? bytes : new Uint8Array([129, 255, 0]), status: text.length }; };"
    )
    request = tmp_path / "request"
    request.write_bytes(b"\x81\xff\0a")
    function.must("build")
    done = function.command("invoke", "--tender", "process", "--file", str(request))
    assert (done.returncode, done.stdout) == (4, b"\x81\xff\0a")
    assert function.command("invoke", "--tender", "process").stdout == b"\x81\xff\0"
