"""`unishare evaluate` as a command: measures, goes on where it stopped, and leaves nothing behind when it is interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from integration.conftest import ROOT, default_signals
from unishare.evaluation.scenario import FOLDER, scenario_names
from unishare.host import ksm, tlb_flushes

SCENARIO = """
scenario = "mine"
kind = "memory"
title = "A test"
question = "Does it work?"
apps = ["hello"]
full = {{ instances = 3, trace_s = 0.2, idle_s = {idle} }}
quick = {{ instances = 3, trace_s = 0.2, idle_s = {idle} }}
tiny = {{ instances = 3, trace_s = 0.2, idle_s = {idle} }}
[[configuration]]
layout = "aligned"
sharing = "{sharing}"
[[configuration]]
layout = "aligned"
sharing = "pool"
park = {park}
"""
COMMAND = [sys.executable, "-m", "unishare"]


def environment() -> dict[str, str]:
    return {**os.environ, "UNISHARE_HOME": os.environ.get("UNISHARE_HOME", str(ROOT / ".state"))}


def scenario(folder: Path, *, sharing: str = "copy", idle: float = 0.1, park: str = "false") -> Path:
    file = folder / "mine.toml"
    file.write_text(SCENARIO.format(sharing=sharing, idle=idle, park=park))
    return file


def evaluate(file: Path, output: Path) -> dict[str, Any]:
    command = [*COMMAND, "evaluate", str(file), "--tiny", "--output", str(output), "--json"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_a_run_is_measured_once_and_reported(tmp_path: Path) -> None:
    output = tmp_path / "out"
    report = evaluate(scenario(tmp_path), output)
    numbers = report["scenarios"]["mine"]["numbers"]
    each = {one["configuration"]: one["median"] for one in numbers if one["measure"] == "each"}
    assert set(each) == {"aligned", "pool aligned"} and min(each.values()) > 0
    answers = {one["configuration"]: one["median"] for one in numbers if one["measure"] == "answers"}
    assert min(answers.values()) >= 3
    assert "TINY RUN" in (output / "report.html").read_text() or "tiny run" in (output / "report.html").read_text()
    assert (output / "figures" / "memory-idle.png").read_bytes()[:4] == b"\x89PNG"
    readings = {file: file.stat().st_mtime_ns for file in (output / "raw").rglob("*.csv")}
    assert len(readings) == 2
    # An interrupted part leaves a CSV without its JSON: only that part is measured again.
    (output / "raw" / "mine" / "aligned.1.json").unlink()
    assert evaluate(scenario(tmp_path), output)["claims"] == report["claims"]
    changed = [file.name for file, moment in readings.items() if file.stat().st_mtime_ns != moment]
    assert changed == ["aligned.1.csv"]


def test_every_kind_measures_something(tmp_path: Path) -> None:
    """One configuration of each scenario of the package; those with KSM are in test_ksm.py, peers in evaluation/test_peers.py."""
    files = []
    for name in scenario_names():
        if name in ("memory", "peers"):
            continue
        (package,) = FOLDER.glob(f"*-{name}.toml")
        head = package.read_text().split("[[configuration]]")[0]
        files.append(tmp_path / package.name)
        files[-1].write_text(f'{head}[[configuration]]\nlayout = "aslr"\nsharing = "pool"\n')
    command = [*COMMAND, "evaluate", *map(str, files), "--tiny", "--output", str(tmp_path / "out"), "--json"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=300)
    report = json.loads(done.stdout)
    for name, section in report["scenarios"].items():
        # Memory is the whole machine's: other tests at work can make a reading impossible, and it is said.
        why = section["missing"].get("pool aslr", "")
        if "of available memory" in why or (name == "growth" and os.geteuid()) or (name == "tlb" and tlb_flushes.problem()):
            continue
        assert not section["missing"], (name, why)
        assert section["numbers"] and all((tmp_path / "out" / "figures" / figure).is_file() for figure in section["figures"]), (
            name
        )
    assert done.returncode == 0 or "measured again" in done.stderr


@pytest.mark.skipif(ksm.problem() is not None, reason=f"needs KSM: {ksm.problem()}")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_leaves_nothing(tmp_path: Path, how: signal.Signals) -> None:
    before = ksm.read_parameters()
    if before["run"] != "0":
        pytest.skip("KSM is at work on this machine")
    file = scenario(tmp_path, sharing="ksm", idle=60)
    command = [*COMMAND, "evaluate", str(file), "--tiny", "--output", str(tmp_path / "out")]
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, preexec_fn=default_signals)
    try:
        until(lambda: ksm.read_parameters()["run"] == "1" and len(monitors(process.pid)) >= 1, 240)
        running = monitors(process.pid)
        process.send_signal(how)
        process.communicate(timeout=60)
        assert process.returncode != 0
        until(lambda: ksm.read_parameters() == before, 20)
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in running), 20)
    finally:
        process.kill()
        process.communicate()
    assert not list((tmp_path / "out" / "raw").rglob("*.json"))


def test_a_wrong_field_ends_the_command_before_anything_runs(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        SCENARIO.format(sharing="copy", idle=0.1, park="false").replace(
            'layout = "aligned"', 'layout = "aligned"\npark = "yes please"', 1
        )
    )
    command = [*COMMAND, "evaluate", str(file), "--tiny", "--output", str(tmp_path / "out")]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 65 and "configuration.0.park" in done.stderr


def monitors(parent: int) -> list[int]:
    """Launchers of a command, and what they started."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"--parent-pid" in words and words[words.index(b"--parent-pid") + 1] == str(parent).encode():
                found.append(int(process.name))
    return found


def until(condition: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)
