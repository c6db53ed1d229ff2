"""The engine's own tests, from its source, as functions of one image: what upstream holds true holds on this guest too."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from unishare.fleet.foreground import asking
from unishare.pool.store import Pool
from unishare.settings import Settings
from unishare.toolchain.build import Builder
from unishare.toolchain.recipes.catalog import Catalog
from unishare.toolchain.sources.trees import Trees
from unishare.toolchain.tools.commands import Tools
from unishare.toolchain.tools.compiler import Compiler
from unishare.toolchain.tools.digests import Digests

ROOT = Path(__file__).resolve().parents[2]
# Not tests of the language: fixtures and helpers (as in upstream's tests.conf), its command line's own modules, a benchmark. And one that
# leaves a rejection unhandled on purpose, which is an error of a function here (bug1661).
LEFT_OUT = re.compile(r"^(fixture_.*|empty|assert|microbench|test_worker.*|test_std|test_bjson|bug1661)\.js$")
APP = """name = "js-engine-tests"
libraries = ["javascript-function"]
[build]
files = []
[files]
"/app" = { glob = ["**/*.js", "**/*.json"] }
[run]
heap = "320M"
"""
# The few things of the command line that its tests use: collecting garbage happens when it happens.
SHIM = "export const gc = () => {};\nexport const evalScript = (text) => (0, eval)(text);\nexport const setTimeout = globalThis.setTimeout;\nexport const platform = 'unishare';\n"
HANDLER = """globalThis.gc = () => {};
export default async function (request) {
    await import(`./tests/${request}`);
    return "passed";
}
"""


def prepared(text: str) -> str:
    """A test without what only the command line has: its modules, and its view of how a string is stored."""
    text = re.sub(r'"qjs:(std|os)"', '"../shim.js"', text)
    return re.sub(r"assert\(qjs\.getStringKind\(.*?\*/\s*\d\);", "", text, flags=re.DOTALL)


@pytest.fixture(scope="module")
def tests(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Path, list[tuple[str, str | None]]]:
    """The home, the image's folder, and the tests with the error that each expects."""
    settings = Settings(Path(os.environ.get("UNISHARE_HOME", ROOT / ".state")).absolute())
    tools = Tools()
    source = Trees(settings, Compiler(tools), tools, Digests()).of(Catalog().library("quickjs")).root / "tests"
    folder = tmp_path_factory.mktemp("engine") / "apps" / "js-engine-tests"
    (folder / "tests").mkdir(parents=True)
    (folder / "app.toml").write_text(APP)
    (folder / "handler.js").write_text(HANDLER)
    (folder / "shim.js").write_text(SHIM)
    wanted: list[tuple[str, str | None]] = []
    for file in sorted(source.glob("*.js*")):
        (folder / "tests" / file.name).write_text(prepared(file.read_text()))
        if file.suffix == ".js" and not LEFT_OUT.match(file.name):
            negative = re.search(r"negative:.*?type: (\w+)", file.read_text(), re.DOTALL)
            wanted.append((file.name, negative[1] if negative else None))
    pool = Pool.create(settings.pool)
    with Builder(Catalog([folder.parents[1]]), settings, 2, lambda *_: None) as builder:
        image = next(builder.images(["js-engine-tests"], "aslr"))
        pool.ensure_image(image.folder)
    return settings, image.folder, wanted


def test_the_engines_own_tests_pass(tests: tuple[Settings, Path, list[tuple[str, str | None]]]) -> None:
    settings, folder, wanted = tests
    ask = asking(settings, Pool.create(settings.pool))

    def outcome(test: tuple[str, str | None]) -> str | None:
        """What is wrong with a test's end, if something is. Each gets an instance of its own."""
        status, answer = ask(folder, test[0].encode())
        text = answer.decode()
        is_right = f"{test[1]}: " in text.split("\n")[0] if test[1] else (status, text) == (0, "passed")
        return None if is_right else text

    with ThreadPoolExecutor(2) as executor:
        outcomes = dict(zip((name for name, _ in wanted), executor.map(outcome, wanted), strict=True))
    failed = {name: text for name, text in outcomes.items() if text is not None}
    print(f"{len(wanted) - len(failed)} of {len(wanted)} files of the engine's tests pass")
    assert failed == {}
    assert len(wanted) >= 80
