"""`bench start`: from the exec of the monitor to the first answer, of one more instance of a known app.

Each sample is a whole `unishare-monitor run --invoke` process: `empty` (the floor guest), `pool` and `copy`, interleaved, the
apps in turn. The clock stops when the first byte of the answer, or the end of an empty one, arrives.
"""

from __future__ import annotations

import os
import select
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from unishare.errors import TimeLimitError, UnishareError
from unishare.evaluation.bench.report import BenchReport, Row, environment, ratio
from unishare.evaluation.bench.workload import Function
from unishare.fleet.foreground import foreground_command
from unishare.fleet.messages import Sharing, StartRequest, Tender
from unishare.formats.snapshot import snapshots_of
from unishare.settings import Settings

LIMIT_S = 60.0
CONFIGURATIONS = ("empty", "pool", "copy")


def bench_start(
    settings: Settings,
    functions: Sequence[Function],
    tender: Tender,
    layout: str,
    rounds: int,
    progress: Callable[[str, int, int], None],
) -> BenchReport:
    """Measure `rounds` starts of each function under each configuration."""
    samples: dict[str, list[float]] = {name: [] for name in CONFIGURATIONS}
    each: dict[str, list[float]] = {}
    with TemporaryDirectory(prefix="unishare-bench-") as folder:
        requests = {function.name: request_file(Path(folder), function) for function in functions}
        for number in range(rounds + 1):  # the first round warms the page cache and is thrown away
            for function in functions:
                for configuration in CONFIGURATIONS:
                    taken = one_start(settings, function, tender, configuration, requests[function.name])
                    if number:
                        samples[configuration].append(taken)
                        each.setdefault(f"{configuration} {function.name}", []).append(taken)
            progress("start", number, rounds)
    rows = [Row.of(name, values, "ms") for name, values in samples.items()]
    rows += [Row.of(name, values, "ms") for name, values in each.items() if not name.startswith("empty")]
    return BenchReport(
        bench="start",
        environment=environment(
            tender=tender, layout=layout, rounds=rounds, functions=[function.name for function in functions]
        ),
        rows=rows,
        ratios={
            "pool/empty": ratio(samples, "pool", "empty"),
            "copy/empty": ratio(samples, "copy", "empty"),
            "pool/copy": ratio(samples, "pool", "copy"),
            "slowest pool/empty": max(statistics.median(each[f"pool {function.name}"]) for function in functions)
            / statistics.median(samples["empty"]),
        },
    )


def request_file(folder: Path, function: Function) -> Path:
    """The first of a function's examples, as a file to send."""
    file = folder / f"{function.name}.request"
    file.write_bytes(function.expectations[0].request if function.expectations else b"")
    return file


def one_start(settings: Settings, function: Function, tender: Tender, configuration: str, request: Path) -> float:
    """Milliseconds of one start: of a whole monitor process, from its exec to the first byte of the answer; `snapshot` begins
    from one of the image's snapshots."""
    sharing: Sharing = "copy" if configuration == "copy" else "pool"
    empty = configuration == "empty"
    wanted = function.expectations[0].status if function.expectations and not empty else 0
    manifest = None if empty else str(function.image.manifest)
    snapshots = [str(file) for file in snapshots_of(function.image.manifest)] if configuration == "snapshot" else None
    command = foreground_command(
        settings,
        StartRequest(manifest=manifest, empty=empty, tender=tender, sharing=sharing, snapshots=snapshots),
        invoke=str(request),
    )
    # close_fds=False lets Python use vfork: the cost of a big parent is not the monitor's.
    started = time.perf_counter()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, close_fds=False, cwd="/"
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        ready, _, _ = select.select([process.stdout], [], [], LIMIT_S)
        taken = (time.perf_counter() - started) * 1000
        if not ready:
            process.kill()
            raise TimeLimitError(f"{function.name} under {tender} gave no answer within {LIMIT_S:.0f} s")
        while os.read(process.stdout.fileno(), 1 << 16):
            pass
        said = process.stderr.read().decode(errors="replace").strip()
        if process.wait() != wanted:
            raise UnishareError(
                f"{configuration} start of {function.name} under {tender} ended with {process.returncode}: {said}"
            )
    return taken
