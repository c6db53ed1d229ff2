"""JavaScript as people write it: the language, its surroundings, what users get wrong, and that engine pages are shared."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from unishare.errors import BadInputError
from unishare.fleet.foreground import asking
from unishare.formats.manifest import Manifest
from unishare.monitor_program import monitor_program
from unishare.pool.store import Pool
from unishare.settings import Settings
from unishare.toolchain.build import Builder
from unishare.toolchain.link import files_archive
from unishare.toolchain.recipes.catalog import Catalog

GUESTS = Path(__file__).parent / "guests"
ROOT = Path(__file__).resolve().parents[2]
LAYOUTS = ("default", "dce", "aligned", "aslr")
APP = """name = "{name}"
libraries = ["javascript-function"]
[build]
files = []
[files]
"/app" = {{ glob = ["**/*.js", "**/*.json", "**/*.mjs", "**/*.cjs"] }}
{more}
"""
Answer = subprocess.CompletedProcess[bytes]


@pytest.fixture(scope="module")
def built() -> Settings:
    """The functions of this test, under all layouts, looked at when they were built."""
    settings = Settings(Path(os.environ.get("UNISHARE_HOME", ROOT / ".state")).absolute())
    pool = Pool.create(settings.pool)
    with Builder(Catalog([GUESTS]), settings, os.cpu_count() or 1, lambda *_: None, ask=asking(settings, pool)) as builder:
        for layout in LAYOUTS:
            for image in builder.images(["javascript-features", "javascript-failures"], layout):
                pool.ensure_image(image.folder)
    return settings


def run(settings: Settings, app: str, request: bytes, *more: str, layout: str = "aslr", tender: str = "process") -> Answer:
    manifest = settings.image_folder(layout, app) / "manifest.json"
    command = [monitor_program(), "run", manifest, "--pool", settings.pool, "--tender", tender, "--invoke", "-", *more]
    return subprocess.run(command, input=request, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_language_and_its_surroundings(built: Settings, tender: str, layout: str) -> None:
    done = run(built, "javascript-features", b"", layout=layout, tender=tender)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == json.loads((Path(__file__).parent / "javascript_expected.json").read_text())


# Request, status, what the answer holds.
FAILURES = [
    ("throws", 1, ["Error: no luck\n    at throws (/app/handler.js:7:", "caused by: TypeError: the reason"]),
    ("rejects", 1, ["RangeError: rejected later\n    at rejects (/app/handler.js:11:"]),
    ("unhandled", 1, ["Error: nobody waits\n    at unhandled (/app/handler.js:14:"]),
    ("in_a_timer", 1, ["Error: in a timer\n    at <anonymous> (/app/handler.js:18:"]),
    ("never", 1, ["TypeError: the promise is never settled"]),
    ("deep", 1, ["RangeError: Maximum call stack size exceeded\n    at down (/app/handler.js:23:", "hint: "]),
    ("memory", 1, ["out of memory", "hint: give the instance more: heap in [run]"]),
    ("not_json", 1, ["SyntaxError: unexpected token: 'not_json'", "(/app/handler.js:"]),
    ("function_as_answer", 1, ["TypeError: the function returned a function, which JSON cannot hold"]),
    ("bigint", 1, ["TypeError: ", "JSON.stringify"]),
    ("circle", 1, ["TypeError: circular reference"]),
    ("status", 1, ["RangeError: the status must be a whole number from 0 to 255"]),
    ("network", 1, ["ReferenceError: fetch is not defined\n    at network (/app/handler.js:", "hint: a function has no network"]),
    ("not_an_error", 1, ['uncaught: {"code":5}']),
    ("text_thrown", 1, ["uncaught: a text"]),
    ("own_stack", 1, ["Error: x"]),
    ("chain", 1, ["out of memory"]),
    ("hostile_error", 1, ["uncaught: "]),
    ("bad_url", 1, ["TypeError: Invalid URL: nope\n    at bad_url (/app/handler.js:"]),
    ("deep_caught", 0, ['[true,"RangeError"]']),
]  # fmt: skip


@pytest.mark.parametrize(("request_text", "status", "told"), FAILURES, ids=[name for name, _, _ in FAILURES])
def test_a_failure_is_the_answer(built: Settings, request_text: str, status: int, told: list[str]) -> None:
    done = run(built, "javascript-failures", request_text.encode())
    assert done.returncode == status, done.stderr.decode()
    text = done.stdout.decode()
    for part in told:
        assert part in text, text
    assert "quickjs" not in text and "<built-in>" not in text and ".c:" not in text
    if status:
        assert told[0] in done.stderr.decode(), "the console tells it too"


@pytest.mark.parametrize("request_text", ["loop", "queue"])
def test_what_never_ends_is_ended_by_the_time_limit(built: Settings, tender: str, request_text: str) -> None:
    done = run(built, "javascript-failures", request_text.encode(), "--time-limit-ms", "700", tender=tender)
    assert done.returncode == 124


def test_a_text_that_outgrows_memory_is_an_error_of_the_function(built: Settings) -> None:
    done = run(built, "javascript-failures", b"long_text")
    assert done.returncode == 1 and done.stdout


def test_requests_are_bytes_or_text(built: Settings) -> None:
    assert run(built, "javascript-failures", b"bytes \x00\xff\xc3").stdout == b"\xc3\xff\x00 setyb"
    assert json.loads(run(built, "javascript-failures", b"\xffx\xc3\xa4").stdout) == ["\ufffdx\u00e4", 4, 3, "\u00c4"]


class Project:
    """A function in a folder, and the catalogue's checker of its files."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.ask = asking(settings, Pool.create(settings.pool))
        self.checker = settings.image_folder("aslr", "javascript-check")
        self.settings = settings
        self.folder = folder

    def write(self, files: dict[str, bytes | str], more: str = "", name: str = "js-test") -> Catalog:
        folder = self.folder / "apps" / name
        folder.mkdir(parents=True)
        (folder / "app.toml").write_text(APP.format(name=name, more=more))
        for file, content in files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(content.encode() if isinstance(content, str) else content)
        return Catalog([self.folder])

    def check(self, files: dict[str, bytes | str]) -> tuple[int, str]:
        status, answer = self.ask(self.checker, files_archive.build(self.write(files).app("js-test")))
        return status, answer.decode()

    def build(self, catalog: Catalog, names: list[str]) -> None:
        pool = Pool.create(self.settings.pool)
        with Builder(catalog, self.settings, 2, lambda *_: None, ask=self.ask) as builder:
            for image in builder.images(names, "aslr"):
                pool.ensure_image(image.folder)


@pytest.fixture
def project(built: Settings, tmp_path: Path) -> Project:
    return Project(built, tmp_path)


WRONG: dict[str, tuple[dict[str, bytes | str], list[str]]] = {
    "syntax": ({"handler.js": "export default () => {\n  return 1 +;\n};\n"}, ["/app/handler.js:2:13: SyntaxError: ", "\n  return 1 +;\n            ^"]),
    "syntax of a script": ({"handler.js": "module.exports = function () {\n  let let = 1;\n};\n"}, ["/app/handler.js:2:7: SyntaxError: "]),
    "unclosed": ({"handler.js": "export default function () {\n"}, ["/app/handler.js:", "SyntaxError"]),
    "in a module": ({"handler.js": "import './lib/a.js';\nexport default () => 1;\n", "lib/a.js": "let a = 1;\nlet a = 2;\n"}, ["/app/lib/a.js:2:7: SyntaxError"]),
    "in a required script": ({"handler.js": "const a = require('./a');\nmodule.exports = () => a;\n", "a.js": "if (\n"}, ["/app/a.js:", "SyntaxError"]),
    "in JSON": ({"handler.js": "import a from './a.json';\nexport default () => a;\n", "a.json": '{"a": \n nope}'}, ["/app/a.json:2:", "SyntaxError"]),
    "missing module": ({"handler.js": "import a from './nowhere.js';\nexport default () => a;\n"}, ["/app/handler.js:1:15: ReferenceError: cannot find './nowhere.js'", "[files]"]),
    "missing export": ({"handler.js": "import { b } from './a.js';\nexport default () => b;\n", "a.js": "export const a = 1;\n"}, ["Could not find export 'b' in module '/app/a.js'"]),
    "node": ({"handler.js": "import { readFile } from 'node:fs/promises';\nexport default () => 1;\n"}, ["/app/handler.js:1:26: ReferenceError: 'node:fs/promises' is a module of Node"]),
    "package": ({"handler.js": "import _ from 'lodash';\nexport default () => 1;\n"}, ["'lodash' is a package", "'./vendor/lodash.js'"]),
    "no function": ({"handler.js": "export const answer = 5;\n"}, ["/app/handler.js exports no function: write `export default function (request) {...}`"]),
    "no handler": ({"other.js": "export default () => 1;\n"}, ["no handler: put"]),
    "not UTF-8": ({"handler.js": b"// one\nexport default () => '\xff';\n"}, ["/app/handler.js:2:23: SyntaxError: byte 0xff here is not UTF-8"]),
    "binary": ({"handler.js": bytes(range(256)) * 50}, ["SyntaxError"]),
    "nested too deeply": ({"handler.js": "export default () => " + "(" * 200_000 + ")" * 200_000}, ["Maximum call stack size exceeded"]),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_the_files_is_found_when_it_is_built(project: Project, case: str) -> None:
    files, told = WRONG[case]
    status, text = project.check(files)
    assert status == 1
    for part in told:
        assert part in text, text
    assert "quickjs" not in text


RIGHT: dict[str, dict[str, bytes | str]] = {
    "async": {"handler.js": "export default async (request) => await request.text();\n"},
    "top-level await": {"handler.js": "const a = await 1;\nexport const handle = () => a;\n"},
    "await alone makes a module": {"handler.mjs": "globalThis.a = await 1;\nexport { handle };\nfunction handle() {}\n"},
    "cycle": {"handler.js": "import { b } from './b.js';\nexport const a = 1;\nexport default () => b();\n", "b.js": "import { a } from './handler.js';\nexport const b = () => a;\n"},
    "script": {"handler.js": "function handle(request) { return request; }\n"},
    "words in comments": {"handler.js": "// export default\n/*\nexport default nothing\n*/\nmodule.exports = function () { with ({}) {} };\n"},
    "the checker runs nothing": {"handler.js": "for (;;);\nexport default () => 1;\n"},
    "hash-bang": {"handler.js": "#!/usr/bin/env node\nexport default () => 1;\n"},
    "mark": {"handler.js": "\ufeffexport default () => 1;\n"},
}  # fmt: skip


@pytest.mark.parametrize("case", RIGHT)
def test_what_is_right_is_let_through(project: Project, case: str) -> None:
    assert project.check(RIGHT[case]) == (0, "")


def test_build_says_it_in_names_of_the_projects_files(project: Project) -> None:
    catalog = project.write({"handler.js": "import './lib/a.js';\nexport default () => 1;\n", "lib/a.js": "\n  let 5;\n"})
    with pytest.raises(BadInputError) as caught:
        project.build(catalog, ["js-test"])
    assert f"{project.folder}/apps/js-test/lib/a.js:2:7: SyntaxError" in caught.value.message
    assert "/app/" not in caught.value.message


def test_scripts_of_before_go_on_working(project: Project) -> None:
    files = {
        "js-exports": "module.exports = function (text, bytes) { return { answer: text + bytes.length, status: 3 }; };\n",
        "js-global": "var greeting = 'hello, ';\nfunction handle(request) { print('said'); return greeting + request.toUpperCase() + this.greeting; }\n",
        "js-bytes": "module.exports = function (text, bytes) { return { answer: bytes.length ? bytes : new Uint8Array([129]) }; };\n",
    }  # fmt: skip
    for name, text in files.items():
        catalog = project.write({"handler.js": text}, name=name)
    project.build(catalog, list(files))
    done = run(project.settings, "js-exports", "wörld".encode())
    assert (done.returncode, done.stdout) == (3, "wörld6".encode())
    done = run(project.settings, "js-global", b"world")
    assert (done.returncode, done.stdout) == (0, b"hello, WORLDhello, ")
    assert b"said" in done.stderr
    assert run(project.settings, "js-bytes", b"\x81\xff\n\0").stdout == b"\x81\xff\n\0"


def test_a_script_of_ten_megabytes_works_with_memory_for_it(project: Project) -> None:
    lines = "".join(f"  [{number}, 'a text that takes its place in the file'],\n" for number in range(200_000))
    assert len(lines) > 10_000_000
    text = f"const table = new Map([\n{lines}]);\nexport default () => table.size;\n"
    catalog = project.write({"handler.js": text}, '[run]\nheap = "256M"\n', "js-large")
    project.build(catalog, ["js-large"])
    done = run(project.settings, "js-large", b"")
    assert (done.returncode, done.stdout) == (0, b"200000"), done.stderr.decode()
    done = run(project.settings, "js-large", b"", "--memory", str(16 << 20))
    assert done.returncode == 1 and b"out of memory" in done.stderr


def test_a_hundred_functions_share_every_page_of_the_engine(project: Project) -> None:
    names = [f"js-{number:03}" for number in range(100)]
    for number, name in enumerate(names):
        text = f"const own = {[number * index for index in range(number)]};\nexport default (request) => own.length + {number} + `${{request}}`;\n"
        catalog = project.write({"handler.js": text}, name=name)
    project.build(catalog, names)

    def engine(name: str) -> list[tuple[str, str | None]]:
        manifest = Manifest.read(project.settings.image_folder("aslr", name) / "manifest.json")
        shared = [one for one in manifest.extents if one.library in ("quickjs", "javascript-function") and one.rights != "rw-"]
        return [(one.section, one.run) for one in shared]

    assert len(engine(names[0])) >= 4
    assert all(engine(name) == engine(names[0]) for name in names)
    done = run(project.settings, names[7], b" asked")
    assert done.stdout == b"14 asked"
