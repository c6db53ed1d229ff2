"""Instances that begin from snapshots: right answers, nothing unique twice, and everything that can be wrong with one."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from integration.conftest import build, second_home
from unishare.errors import BadInputError, InputOutputError, TimeLimitError, UnishareError
from unishare.fleet import launcher
from unishare.fleet.messages import Started, StartRequest
from unishare.formats.snapshot import Snapshot, snapshots_of
from unishare.pool import snapshots
from unishare.pool.store import Pool
from unishare.settings import Settings
from unishare.toolchain.recipes.catalog import Catalog

FRAME = """
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unishare/function.h>
{before}
static int handle(const unishare_request *request, unishare_answer *answer) {{ {handle} }}
int main(void) {{ {main} return unishare_serve(handle); }}
"""
# name -> (before, handle, before it serves)
GUESTS = {
    # Answers with the kernel's bytes, those that its hook drew, and the time; and with its own number of requests.
    "draws": (
        "static uint64_t drawn; static int asked; static void draw(void) { getrandom(&drawn, sizeof drawn, 0); }",
        "uint64_t fresh; struct timespec now; (void)request; getrandom(&fresh, sizeof fresh, 0); clock_gettime(CLOCK_REALTIME, &now);"
        ' unishare_answer_printf(answer, "%016llx %016llx %lld %d", (unsigned long long)fresh, (unsigned long long)drawn,'
        " (long long)now.tv_sec, ++asked); return 0;",
        "draw(); unishare_on_resume(draw);",
    ),
    # Keeps three MiB from before, and takes eight more for each request.
    "grows": (
        "static char *kept;",
        "size_t size = 8 << 20; char *more = malloc(size); size_t found = 0; (void)request; if (!more) return 1;"
        " for (size_t i = 0; i < size; i += 4096) more[i] = 1; for (size_t i = 0; i < size; i += 4096) found += 4096 * more[i];"
        ' unishare_answer_printf(answer, "%zu", kept[(3 << 20) - 1] == 5 ? found : 0); free(more); return 0;',
        "kept = malloc(3 << 20); memset(kept, 5, 3 << 20);",
    ),
    "prints": ("", "(void)request; (void)answer; return 0;", 'puts("hello there"); fflush(stdout);'),
    "writes": ("", "(void)request; (void)answer; return 0;", 'FILE *f = fopen("/tmp/note", "w"); fputs("x", f); fclose(f);'),
    "loops": ("", "(void)request; (void)answer; return 0;", "for (;;) { }"),
    "exits": ("", "(void)request; (void)answer; return 0;", "exit(3);"),
    "refuses": ("", '(void)request; unishare_answer_printf(answer, "not today"); return 7;', ""),
    "keeps": (
        "char *kept;",
        "(void)answer; kept = malloc(request->size + 1); memcpy(kept, request->data, request->size); return 0;",
        "",
    ),
    # Leaves a request in freed memory and on the stack, but keeps nothing.
    "forgets": (
        "static void deep(const char *text) { volatile char room[3000]; for (int i = 0; i < 2999; i++) room[i] = text[i % 40]; }",
        "char *copy = malloc(request->size + 1); (void)answer; memcpy(copy, request->data, request->size); deep(copy); free(copy);"
        " return 0;",
        "",
    ),
}
LUA = """
return function () return string.format("%d %d", math.random(0), math.random(0)) end
"""
# Its generator has been used before the snapshot is taken.
JAVASCRIPT = """
Math.random();
export default () => `${Math.random()} ${Math.random()} ${crypto.randomUUID()}`;
"""
LAYOUTS = ("aligned", "aslr")
# How many instances at a time, and how often.
PARTS = {"process": (4, 250), "kvm": (8, 125)}
SECRET = b"a request that nobody else may ever see, not even a part of it"


def write_guests(folder: Path) -> Catalog:
    for name, (before, handle, main) in GUESTS.items():
        app = folder / "apps" / name
        app.mkdir(parents=True)
        (app / "main.c").write_text(FRAME.format(before=before, handle=handle, main=main))
        (app / "app.toml").write_text(
            f'name = "{name}"\nlibraries = ["unishare-invoke"]\n[build]\ndefines = ["_GNU_SOURCE"]\nflags = ["-w"]\n'
        )
    for name, language, script, text in (
        ("dice", "lua", "handler.lua", LUA),
        ("tumbler", "javascript", "handler.js", JAVASCRIPT),
    ):
        app = folder / "apps" / name
        app.mkdir()
        (app / script).write_text(text)
        (app / "app.toml").write_text(
            f'name = "{name}"\nlibraries = ["{language}-function"]\n[build]\nfiles = []\n[files]\n"/app/{script}" = "{script}"\n'
        )
    return Catalog([folder])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home of its own with all of them, and objects from the one that `make` uses."""
    folder = tmp_path_factory.mktemp("snapshots")
    settings = second_home(folder)
    build(settings, write_guests(folder), (*GUESTS, "dice", "tumbler"), LAYOUTS)
    return settings


def image(home: Settings, name: str, layout: str = "aligned") -> Path:
    return home.image_folder(layout, name)


def take(home: Settings, name: str, layout: str = "aligned", **more: object) -> list[Path]:
    return snapshots.take(Pool.open(home.pool), image(home, name, layout), **more)  # type: ignore[arg-type]


def request(home: Settings, name: str, layout: str = "aligned", count: int = 1, tender: str = "process") -> StartRequest:
    manifest = image(home, name, layout) / "manifest.json"
    found = [str(file) for file in snapshots_of(manifest)]
    wanted = StartRequest(manifest=str(manifest), tender="process", count=count, snapshots=found or None)
    return wanted.model_copy(update={"tender": tender})


async def answers(home: Settings, wanted: StartRequest, data: bytes = b"") -> tuple[Started, list[bytes]]:
    """Start, ask each instance once, and stop."""
    async with launcher.private(home) as (control, _):
        started = await control.start_with_warnings(wanted)
        return started, [(await control.invoke(one.instance, data)).payload for one in started.instances]


def ask(home: Settings, wanted: StartRequest, data: bytes = b"") -> tuple[Started, list[bytes]]:
    return asyncio.run(answers(home, wanted, data))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nothing_unique_is_the_same_in_two_instances(home: Settings, tender: str, layout: str) -> None:
    assert len(take(home, "draws", layout)) == (4 if layout == "aslr" else 1)
    take(home, "dice", layout)
    take(home, "tumbler", layout, count=1)
    parts, count = PARTS[tender]
    drawn: list[bytes] = []
    for _ in range(parts):
        found = ask(home, request(home, "draws", layout, count, tender))[1]
        answers = [answer.split() for answer in found]
        drawn += [value for fresh, hooked, _, _ in answers for value in (fresh, hooked)]
        assert {asked for *_, asked in answers} == {b"1"}
        times = [int(seconds) for _, _, seconds, _ in answers]
        assert max(times) - min(times) < 60
        for name in ("dice", "tumbler"):
            drawn += [value for answer in ask(home, request(home, name, layout, count, tender))[1] for value in answer.split()]
    assert len(drawn) == len(set(drawn)) == parts * count * (2 + 2 + 3)


def test_a_start_picks_one_of_several_draws(home: Settings) -> None:
    take(home, "draws", "aslr", count=3)

    async def bases() -> set[str]:
        async with launcher.private(home) as (control, _):
            started = await control.start(request(home, "draws", "aslr", 60))
            return {(await control.bases(one.instance)).hypercall for one in started}

    assert len(asyncio.run(bases())) == 3


@pytest.mark.kvm
def test_page_tables_of_a_snapshot_are_the_pools_and_another_heap_has_its_own(home: Settings) -> None:
    file = take(home, "draws", "aslr", count=1)[0]

    run = Snapshot.read(file).page_tables
    assert run is not None

    def tables(wanted: StartRequest) -> list[str]:
        """Which file each of two instances has its page tables from."""

        async def maps() -> list[str]:
            async with launcher.private(home) as (control, _):
                started = await control.start(wanted)
                assert [(await control.invoke(one.instance, b"")).status for one in started] == [0, 0]
                return [Path(f"/proc/{one.pid}/maps").read_text() for one in started]

        names = (run.run, "unishare-tables")
        return [name for found in asyncio.run(maps()) for name in names if name in found]

    wanted = request(home, "draws", "aslr", 2, "kvm")
    assert tables(wanted) == [run.run] * 2
    assert tables(wanted.model_copy(update={"snapshots": None, "memory": 8 << 20})) == []

    # The tables of other addresses are not believed, and those that are not there are made: by the zygote, for all of them.
    truth, other = file.read_bytes(), take(home, "dice", "aslr", count=1)[0]
    lying, lost = Snapshot.read(other).page_tables, run.model_copy(update={"run": "ab" * 32})
    for named in (lying, lost, None):
        file.write_text(Snapshot.parse(truth, "").model_copy(update={"page_tables": named}).to_text())
        assert tables(request(home, "draws", "aslr", 2, "kvm")) == ["unishare-tables"] * 2
    assert not snapshots.are_current(Pool.open(home.pool), file.parent.parent)  # one of before is taken again by the next build
    file.write_bytes(truth)
    assert snapshots.are_current(Pool.open(home.pool), file.parent.parent)


def test_what_only_a_start_at_the_entry_needs_is_open_from_the_first_one_on(home: Settings, tender: str) -> None:
    take(home, "draws", "aslr", count=2)
    manifest = json.loads((image(home, "draws", "aslr") / "manifest.json").read_text())
    entry_only = {run for run in (manifest["relocations"]["run"], *manifest["frames"]) if run}
    from_snapshots = request(home, "draws", "aslr", 1, tender)

    async def opened() -> list[bool]:
        async with launcher.private(home) as (control, pid):
            found = []
            for wanted in (from_snapshots, from_snapshots.model_copy(update={"snapshots": None}), from_snapshots):
                started = await control.start(wanted)
                assert (await control.invoke(started[0].instance, b"")).status == 0
                files = {file.readlink().name for file in zygote_of(pid).glob("fd/*")}
                found.append(bool(files & entry_only))
            return found

    assert asyncio.run(opened()) == [False, True, True]


def zygote_of(launcher_pid: int) -> Path:
    """The folder in /proc of a launcher's zygote."""
    children = Path(f"/proc/{launcher_pid}/task/{launcher_pid}/children").read_text().split()
    return next(Path("/proc") / pid for pid in children if Path(f"/proc/{pid}/comm").read_text() == "unishare-zygote\n")


def test_a_collection_keeps_page_tables_as_long_as_their_snapshot(home: Settings) -> None:
    pool = Pool.open(home.pool)
    tables = Snapshot.read(take(home, "draws", "aslr", count=1)[0]).page_tables
    assert tables is not None and tables.pages == pool.runs()[tables.run] // 4096
    assert Snapshot.read(take(home, "draws", "aligned")[0]).page_tables is None
    pool.collect()
    assert pool.has_run(tables.run)
    snapshots.remove(image(home, "draws", "aslr"))
    pool.collect()
    assert tables.run not in pool.runs()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_snapshot_says_how_much_heap_its_guest_has_and_an_instance_gets_more(
    home: Settings, tender: str, layout: str
) -> None:
    file = take(home, "grows", layout, count=1)[0]
    ready = Snapshot.read(file).heap_ready
    heap = json.loads((image(home, "grows", layout) / "manifest.json").read_text())["heap"]
    assert ready is not None and (3 << 20) < ready < (4 << 20) < heap  # what it took before, and little more

    async def grown() -> list[tuple[int, bytes]]:
        async with launcher.private(home) as (control, _):
            started = await control.start(request(home, "grows", layout, 1, tender))
            answers = [await control.invoke(started[0].instance, b"") for _ in range(3)]
            return [(answer.status, answer.payload) for answer in answers]

    assert asyncio.run(grown()) == [(0, b"%d" % (8 << 20))] * 3
    # All of it is what the pool's snapshots of before gave; less than what is used is refused.
    for said in (None, heap):
        file.write_text(Snapshot.read(file).model_copy(update={"heap_ready": said}).to_text())
        assert ask(home, request(home, "grows", layout, 1, tender))[1] == [b"%d" % (8 << 20)]
    file.write_text(Snapshot.read(file).model_copy(update={"heap_ready": 4096}).to_text())
    warnings = ask(home, request(home, "grows", layout, 1, tender))[0].warnings
    assert "heap_ready: is 4096" in warnings[0]


def test_functions_of_one_language_share_the_interpreters_pages(home: Settings) -> None:
    for layout in LAYOUTS:
        first = json.loads(take(home, "dice", layout, count=1)[0].read_text())
        folder = image(home, "dice", layout)
        other = folder.with_name("other")
        shutil.copytree(folder, other)
        runs = {stretch["run"] for stretch in first["pages"]}
        again = json.loads(snapshots.take(Pool.open(home.pool), other, count=1)[0].read_text())
        shutil.rmtree(other)
        shared = sum(stretch["pages"] for stretch in again["pages"] if stretch["run"] in runs)
        total = sum(stretch["pages"] for stretch in again["pages"])
        # The same function, started again, at another time: only the dead stack's neighbour and clocks could differ.
        assert shared == total, layout


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("prints", BadInputError, "hello there"),
        ("writes", BadInputError, "note was written before the snapshot"),
        ("loops", TimeLimitError, "does not get ready"),
        ("exits", UnishareError, "exits"),
    ],
)
def test_what_cannot_be_snapshotted_is_refused_and_still_starts(
    home: Settings, name: str, error: type[UnishareError], said: str
) -> None:
    with pytest.raises(error, match=said):
        take(home, name, time_limit_s=1.0)
    assert snapshots_of(image(home, name) / "manifest.json") == []
    assert [path.name for path in image(home, name).iterdir() if path.name.startswith(".snapshots")] == []
    if name in ("prints", "writes"):
        assert ask(home, request(home, name))[1] == [b""]


def test_warm_up_answers_are_checked_and_nothing_of_the_request_stays(home: Settings, tmp_path: Path) -> None:
    warm = tmp_path / "warm"
    warm.write_bytes(SECRET)
    with pytest.raises(BadInputError, match=r"status 7.*not today"):
        take(home, "refuses", warm=[warm])
    with pytest.raises(BadInputError, match="the function keeps them"):
        take(home, "keeps", warm=[warm])
    (file,) = take(home, "forgets", warm=[warm])
    pool = Pool.open(home.pool)
    for stretch in json.loads(file.read_text())["pages"]:
        data = pool.read_run(stretch["run"])
        assert not any(SECRET[at : at + 16] in data for at in range(len(SECRET) - 16))
    assert ask(home, request(home, "forgets"), b"x" * 50)[1] == [b""]


def test_a_snapshot_of_another_build_is_named_and_the_image_starts(home: Settings) -> None:
    (file,) = take(home, "draws")
    data = json.loads(file.read_text())
    file.chmod(0o644)
    for field, value, said in (
        ("image", "0" * 64, "built again"),
        ("processor", ["sse3", "sse9"], "sse9"),
        ("pages", [{"address": "0x20000000", "pages": 1, "run": data["pages"][0]["run"], "first": 0}], "not all writable"),
        ("pages", [{**data["pages"][0], "run": "0" * 64}], "is missing"),
        ("pages", [{**data["pages"][0], "first": 1000}], "more than the run's"),
        ("waiting", {**data["waiting"], "rsp": "0x400000"}, "not in the stack"),
        ("waiting", {**data["waiting"], "receive_address": "0x20000000"}, "not writable"),
        ("format", "unishare-manifest", "format"),
    ):
        file.write_text(json.dumps({**data, field: value}))
        started, found = ask(home, request(home, "draws"))
        assert len(started.warnings) == 1 and said in started.warnings[0], started.warnings
        assert len(found) == 1
    take(home, "draws")


def test_a_damaged_run_is_found_and_the_image_starts(home: Settings) -> None:
    (file,) = take(home, "refuses")
    pool = Pool.open(home.pool)
    for stretch in json.loads(file.read_text())["pages"]:
        run = pool.run_file(stretch["run"])
        if not any(stretch["run"] in added.manifest.runs for added in pool.images()):
            run.chmod(0o644)
            run.write_bytes(bytes(run.stat().st_size))
            break
    assert any(damaged == run.name for damaged, _ in pool.damaged())
    started, found = ask(home, request(home, "refuses"))
    assert "does not have the content" in started.warnings[0] and found == [b"not today"]
    run.unlink()
    assert (run.name, "it is missing") in list(pool.damaged())
    take(home, "refuses")
    assert not [name for name, _ in pool.damaged() if name == run.name]


def test_the_pool_keeps_what_snapshots_name_and_drops_what_they_named(home: Settings) -> None:
    pool = Pool.open(home.pool)
    take(home, "draws", "aslr")
    pool.collect()
    assert ask(home, request(home, "draws", "aslr"))[0].warnings == []
    before = len(pool.runs())
    for found in pool.snapshots():
        snapshots.remove(found.file.parent.parent)
    pool.collect()
    assert pool.snapshots() == [] and len(pool.runs()) < before
    assert list((home.pool / "pages").glob("*/*")) == []


def test_a_full_disk_is_said_and_the_image_starts(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    take(home, "draws")
    snapshots.remove(image(home, "draws"))
    full = OSError(28, "No space left on device", str(home.pool))

    def fail(*_: object, **__: object) -> None:
        raise full

    monkeypatch.setattr("unishare.pool.snapshots.replace_file", fail)
    with pytest.raises(InputOutputError, match="no space is left"):
        take(home, "draws")
    monkeypatch.undo()
    assert len(ask(home, request(home, "draws"))[1]) == 1
