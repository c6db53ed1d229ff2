"""The catalogue's functions on the real monitor: every example's answer, under both tenders, all layouts, both ways of filling memory."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from unishare.fleet.examples import Expectation, expectations
from unishare.monitor_program import monitor_program
from unishare.settings import Settings
from unishare.toolchain.recipes.catalog import Catalog

EXAMPLES = [
    pytest.param(name, expectation, id=f"{name}-{number}")
    for name in Catalog().app_names()
    for number, expectation in enumerate(expectations(Catalog().app(name)))
]


def ask(
    settings: Settings, layout: str, app: str, tender: str, request: bytes, *more: str
) -> subprocess.CompletedProcess[bytes]:
    """Run one instance for one request."""
    manifest = settings.image_folder(layout, app) / "manifest.json"
    command = [monitor_program(), "run", manifest, "--pool", settings.pool, "--tender", tender, "--invoke", "-", *more]
    return subprocess.run(command, input=request, capture_output=True, timeout=60, check=False)


def check(settings: Settings, layout: str, tender: str, expectation: Expectation, *more: str) -> None:
    done = ask(settings, layout, expectation.app, tender, expectation.request, *more)
    assert done.returncode == expectation.status, done.stderr.decode()
    if expectation.answer is not None:
        assert done.stdout == expectation.answer
    if expectation.pattern is not None:
        assert expectation.pattern.fullmatch(done.stdout)
    if expectation.round_trip is not None:
        back = ask(settings, layout, expectation.app, tender, expectation.round_trip + done.stdout, *more)
        assert (back.returncode, back.stdout) == (0, expectation.request)


@pytest.mark.parametrize(("app", "expectation"), EXAMPLES)
def test_answers(home: Settings, tender: str, app: str, expectation: Expectation) -> None:
    check(home, "aligned", tender, expectation)


@pytest.mark.parametrize("layout", ["default", "dce"])
@pytest.mark.parametrize(("app", "expectation"), EXAMPLES)
def test_answers_under_other_layouts(home: Settings, tender: str, layout: str, app: str, expectation: Expectation) -> None:
    check(home, layout, tender, expectation)


@pytest.mark.parametrize(("app", "expectation"), EXAMPLES)
def test_answers_with_private_memory(home: Settings, tender: str, app: str, expectation: Expectation) -> None:
    check(home, "aligned", tender, expectation, "--sharing", "copy")


@pytest.mark.parametrize(("app", "expectation"), EXAMPLES)
def test_answers_at_random_addresses(aslr_home: Settings, tender: str, app: str, expectation: Expectation) -> None:
    for _ in range(3):
        check(aslr_home, "aslr", tender, expectation)


def test_a_request_of_many_messages_comes_whole(home: Settings, tender: str) -> None:
    request = bytes(range(256)) * 4000
    packed = ask(home, "aligned", "gzip", tender, request)
    assert packed.returncode == 0
    back = ask(home, "aligned", "gzip", tender, packed.stdout)
    assert back.stdout == request


def test_a_damaged_run_is_refused_before_anything_runs(home: Settings, tender: str, tmp_path: Path) -> None:
    import json
    import shutil

    manifest = json.loads((home.image_folder("aligned", "hello") / "manifest.json").read_text())
    pool = tmp_path / "pool"
    (pool / "runs").mkdir(parents=True)
    shutil.copy(home.pool / "format", pool / "format")
    runs = {one["run"] for one in manifest["extents"] if one["run"]} | {manifest["page_tables"]["run"]}
    for run in runs:
        (pool / "runs" / run[:2]).mkdir(exist_ok=True)
        shutil.copy(home.pool / "runs" / run[:2] / run, pool / "runs" / run[:2] / run)
    victim = next(one["run"] for one in manifest["extents"] if one["library"] == "musl-string" and one["section"] == "text")
    file = pool / "runs" / victim[:2] / victim
    file.chmod(0o644)
    file.write_bytes(b"\xcc" + file.read_bytes()[1:])
    command = [
        monitor_program(),
        "run",
        home.image_folder("aligned", "hello") / "manifest.json",
        "--pool",
        pool,
        "--tender",
        tender,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 65
    assert victim in done.stderr
    assert "Traceback" not in done.stderr and "panicked" not in done.stderr


def test_page_tables_that_lie_are_not_used(home: Settings, tmp_path: Path) -> None:
    import json

    from unishare.host.doctor import kvm_problem

    if kvm_problem():
        pytest.skip("page tables are the KVM tender's")
    folder = home.image_folder("aligned", "hello")
    manifest = json.loads((folder / "manifest.json").read_text())
    other = json.loads((home.image_folder("aligned", "sql") / "manifest.json").read_text())
    manifest["page_tables"] = other["page_tables"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "request").write_text("x")
    command = [monitor_program(), "run", tmp_path / "manifest.json", "--pool", home.pool, "--tender", "kvm"]
    command += ["--invoke", tmp_path / "request"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "Hello, x!\n"), done.stderr
