"""`bench linkage`: what a call from one module into another costs, by how it leaves its module.

- `direct`: `call target`, as in images of fixed addresses.
- `plt`: `call entry`, and the entry, in shared code, jumps through a slot of data that the loader fills in.
- `slot`: `call *slot(%rip)` through the same slot (-fno-plt).
- `table`: `call entry`, and the entry, code of this instance alone, jumps straight to the target: the published method's table.

Three cases: `few` and `many` do nothing but calls (8 functions on one page; 512 on 64 pages), `text` is a small reader of words that
calls a library for each character. A program is compiled from `linkage_program/` and run once for each sample, the ways in turn.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from unishare.errors import BuildError, HostLacksError, UnishareError
from unishare.evaluation.bench.report import BenchReport, Row, environment, geometric_mean

WAYS = ("direct", "plt", "slot", "table")
CASES = ("few", "many", "text")
BASELINE = "direct"
MINIMUM_ROUNDS = 15
SAMPLE_MS = 40
QUICK_SAMPLE_MS = 10
LIMIT_S = 60
SOURCES = Path(__file__).with_name("linkage_program")
# Functions and the bytes between them.
_SIZES = {"few": (8, 64), "many": (512, 512)}
_FLAGS = ("-O2", "-fno-pic", "-fno-pie", "-fcf-protection=none", "-fno-asynchronous-unwind-tables")
_CALLERS = {
    "direct": ("-DPREFIX=",),
    "plt_entry": ("-DPREFIX=plt_",),
    "slot": ("-DPREFIX=", "-fno-plt"),
    "jump_table": ("-DPREFIX=table_",),
}
# Far from each other, as modules are, and within reach of a 32-bit displacement.
_PLACES = {"functions": 0x10000000, "slots": 0x18000000, "plt": 0x20000000, "table": 0x28000000, "callers": 0x30000000}

Samples = dict[tuple[str, str], list[float]]


def bench_linkage(rounds: int, sample_ms: int, progress: Callable[[str, int, int], None]) -> BenchReport:
    """Compile and measure."""
    samples: Samples = {}
    with tempfile.TemporaryDirectory(prefix="unishare-bench-") as folder:
        program = compile_program(Path(folder))
        for number in range(rounds):
            turn = number % len(WAYS)
            for case in CASES:
                for way in WAYS[turn:] + WAYS[:turn]:
                    samples.setdefault((case, way), []).append(calls_per_second(program, case, way, sample_ms))
            progress("linkage", number + 1, rounds)
    return _report(samples, rounds)


def compile_program(folder: Path) -> Path:
    """The benchmark's program, built by the host's compiler."""
    for number, arguments in enumerate(_compilations()):
        _gcc(folder, ["-c", "-o", f"{number}.o", *arguments])
    places = [f"-Wl,--section-start=.unishare_{name}={address:#x}" for name, address in _PLACES.items()]
    objects = sorted(file.name for file in folder.glob("*.o"))
    # Relaxed, calls through slots would become direct ones.
    _gcc(folder, ["-no-pie", "-Wl,--no-relax", "-o", "linkage", *objects, *places])
    return folder / "linkage"


def _compilations() -> list[list[str]]:
    calls = [
        [f"-DCASE={case}", f"-DCOUNT={count}", f"-DSPACING={spacing}", str(SOURCES / "calls.S")]
        for case, (count, spacing) in _SIZES.items()
    ]
    callers = [[*_FLAGS, f"-DWAY={way}", "-fPIC", *how, str(SOURCES / "caller.c")] for way, how in _CALLERS.items()]
    counts = [f"-DCOUNT_{case.upper()}={count}" for case, (count, _) in _SIZES.items()]
    rest = [[*_FLAGS, *counts, str(SOURCES / name)] for name in ("main.c", "library.c", "entries.S")]
    return calls + callers + rest


def _gcc(folder: Path, arguments: list[str]) -> None:
    if shutil.which("gcc") is None:
        raise HostLacksError("the program 'gcc' is not installed", "Run `make setup`.")
    done = subprocess.run(["gcc", *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    if done.returncode:
        raise BuildError(f"the benchmark's program cannot be compiled:\n{done.stderr.strip()[:2000]}")


def calls_per_second(program: Path, case: str, way: str, sample_ms: int) -> float:
    """One sample."""
    command = [str(program), case, way, str(sample_ms)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    if done.returncode:
        raise UnishareError(f"the benchmark's program ended with {done.returncode} in the case {case}, {way}")
    return float(done.stdout)


def _report(samples: Samples, rounds: int) -> BenchReport:
    rows = [Row.of(f"{case} {way}", samples[case, way], "calls/s") for case in CASES for way in WAYS]
    medians = {row.configuration: row.median for row in rows}
    ratios = {}
    for way in WAYS:
        if way == BASELINE:
            continue
        for case in CASES:
            pairs = zip(samples[case, way], samples[case, BASELINE], strict=True)
            name = f"{way}/{BASELINE} {case}"
            rows.append(Row.of(name, [rate / baseline for rate, baseline in pairs], "ratio"))
            ratios[name] = medians[f"{case} {way}"] / medians[f"{case} {BASELINE}"]
        ratios[f"{way}/{BASELINE}"] = geometric_mean([ratios[f"{way}/{BASELINE} {case}"] for case in CASES])
    return BenchReport(bench="linkage", environment=environment(rounds=rounds), rows=rows, ratios=ratios)
