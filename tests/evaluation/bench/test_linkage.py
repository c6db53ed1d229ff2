"""The benchmark of linkage: its program is compiled, counts what it says, and its report has the form of all others."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from unishare.errors import UnishareError
from unishare.evaluation.bench.linkage import CASES, WAYS, bench_linkage, calls_per_second, compile_program


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_program(tmp_path_factory.mktemp("linkage"))


def disassembly(program: Path, section: str) -> str:
    command = ["objdump", "-d", "--no-show-raw-insn", "-j", section, str(program)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_each_way_leaves_its_module_as_it_says(program: Path) -> None:
    callers = disassembly(program, ".unishare_callers")
    ways = callers.split("\n\n")
    code = {text.split("<", 1)[1].split(">")[0]: text for text in ways if "<" in text and ">:" in text}
    assert code["direct_few"].count("<functions_few") == code["plt_entry_few"].count("<plt_few") == 8
    assert code["slot_many"].count("(%rip)") == 512 and code["slot_many"].count("<slots_many") == 512
    assert code["jump_table_many"].count("<table_many") == 512
    # Eight entries jump by slots and eight straight; so do the 512 and those of the small library.
    assert disassembly(program, ".unishare_plt").count("jmp    *") == 8 + 512 + 5
    table = disassembly(program, ".unishare_table")
    assert "*" not in table.split("file format", 1)[1] and table.count("jmp ") == 8 + 512 + 5


def test_compiled_callers_use_the_way_they_are_named_for(program: Path) -> None:
    def calls(name: str) -> list[str]:
        command = ["objdump", "-d", "--no-show-raw-insn", f"--disassemble={name}", str(program)]
        text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        return [line.split("call", 1)[1] for line in text.splitlines() if "call " in line]

    assert all("<library_" in one for one in calls("direct_text"))
    assert all("<plt_library_" in one for one in calls("plt_entry_text"))
    assert all("<table_library_" in one for one in calls("jump_table_text"))
    # The compiler keeps some slots' values in registers.
    assert all("*" in one for one in calls("slot_text")) and any("(%rip)" in one for one in calls("slot_text"))
    assert all(calls(f"{way}_text") for way in ("direct", "plt_entry", "slot", "jump_table"))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("way", WAYS)
def test_every_case_runs(program: Path, case: str, way: str) -> None:
    assert calls_per_second(program, case, way, 1) > 0


def test_an_unknown_way_is_an_error(program: Path) -> None:
    with pytest.raises(UnishareError):
        calls_per_second(program, "few", "sideways", 1)


def test_the_report_has_rows_with_spread_and_ratios() -> None:
    report = bench_linkage(2, 1, lambda *_: None)
    assert report.bench == "linkage" and {row.n for row in report.rows} == {2}
    assert report.row("text slot").unit == "calls/s"
    assert set(report.ratios) == {
        f"{way}/direct{case}" for way in WAYS if way != "direct" for case in ("", *(f" {one}" for one in CASES))
    }
