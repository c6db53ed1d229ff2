"""Many different functions of one language, each from its snapshot and asked once: what they have in common they hold in common."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path

import pytest

from integration.conftest import ROOT, build
from unishare.fleet import launcher
from unishare.fleet.messages import StartedInstance, StartRequest
from unishare.formats.snapshot import snapshots_of
from unishare.host.frames import PAGE, mappings
from unishare.pool import snapshots
from unishare.pool.store import Pool
from unishare.settings import Settings
from unishare.toolchain.recipes.catalog import Catalog

COUNT = 100
# What a request leaves behind in each the same. JavaScript: counts of references to what the language itself has, and inline caches.
MOST_TWICE = {"javascript": 9, "lua": 2}
QUIET_MS = 20
QUIET_S = 0.5
# Of /proc/PID/pagemap (Linux, Documentation/admin-guide/mm/pagemap.rst).
PRESENT, OF_FILE = 1 << 63, 1 << 61
SCRIPTS = {
    "javascript": (
        "handler.js",
        "const table{0} = Array.from({{length: {1}}}, (_, at) => at * {0});\n"
        "export default (request) => `{0} ${{table{0}[request.text().length % {1}]}}`;\n",
    ),
    "lua": (
        "handler.lua",
        "local table{0} = {{}}\nfor at = 1, {1} do table{0}[at] = at * {0} end\n"
        'return function (request) return "{0} " .. table{0}[#request % {1} + 1] end\n',
    ),
}


@pytest.mark.skipif(os.geteuid() != 0, reason="reading the memory of sandboxed instances is root's")
@pytest.mark.parametrize("language", SCRIPTS)
def test_a_hundred_functions_hold_next_to_nothing_twice(tmp_path: Path, language: str) -> None:
    names = [f"{language}-{number}" for number in range(COUNT)]
    file, text = SCRIPTS[language]
    for number, name in enumerate(names):
        app = tmp_path / "apps" / name
        app.mkdir(parents=True)
        (app / file).write_text(text.format(number, 10 + number))
        (app / "app.toml").write_text(
            f'name = "{name}"\nlibraries = ["{language}-function"]\n[build]\nfiles = []\n[files]\n"/app/{file}" = "{file}"\n'
        )
    warm = Path(os.environ.get("UNISHARE_HOME", ROOT / ".state")).absolute()
    (tmp_path / "home").mkdir()
    for name in ("sources", "objects"):
        (tmp_path / "home" / name).symlink_to(warm / name)
    settings = Settings(tmp_path / "home")
    build(settings, Catalog([tmp_path]), names, ("aslr",))
    for name in names:
        snapshots.take(Pool.open(settings.pool), settings.image_folder("aslr", name), count=1)
    held = asyncio.run(private_pages(settings, names))
    assert len(held) == COUNT
    holders = Counter(page for pages in held for page in set(pages))
    doubles = [sum(holders[page] > 1 for page in pages) for pages in held]
    assert max(doubles) <= MOST_TWICE[language], Counter(doubles)


async def private_pages(settings: Settings, names: list[str]) -> list[list[bytes]]:
    """What the private pages of each hold, once it has answered and is quiet."""
    async with launcher.private(settings) as (control, _):
        started = []
        for name in names:
            manifest = settings.image_folder("aslr", name) / "manifest.json"
            request = StartRequest(
                manifest=str(manifest),
                tender="process",
                snapshots=[str(file) for file in snapshots_of(manifest)],
                quiet_ms=QUIET_MS,
            )
            started += await control.start(request)
            number = name.rpartition("-")[2]
            assert (await control.invoke(started[-1].instance, b"abc")).payload.split()[0] == number.encode()
        await asyncio.sleep(QUIET_S)
        return [pages_of(one) for one in started]


def pages_of(started: StartedInstance) -> list[bytes]:
    found = []
    with Path(f"/proc/{started.pid}/pagemap").open("rb") as pagemap, Path(f"/proc/{started.pid}/mem").open("rb") as memory:
        for mapping in mappings(started.pid):
            if mapping.path == "[vsyscall]":
                continue
            pagemap.seek(mapping.start // PAGE * 8)
            entries = memoryview(pagemap.read((mapping.end - mapping.start) // PAGE * 8)).cast("Q")
            for number, entry in enumerate(entries):
                if entry & PRESENT and not entry & OF_FILE:
                    memory.seek(mapping.start + number * PAGE)
                    found.append(memory.read(PAGE))
    return found
