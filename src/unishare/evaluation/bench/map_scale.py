"""`bench map`: how the global map does with many library versions and apps.

Synthetic libraries, sizes drawn like those of real ones from a seed; each app holds the same base and some libraries more. Rows: the
time to allocate the windows of all apps, each in a step of its own as builds do (a lock and a sync each); the time to
load the map at a quarter, half and all of its versions; the file's size, and what part of the addresses the windows fill.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from unishare.evaluation.bench.report import BenchReport, Row, environment, ratio
from unishare.formats.addresses import LIBRARY_BASE
from unishare.formats.sections import Kind
from unishare.toolchain.map.global_map import GlobalMap
from unishare.toolchain.objects.cache import UnitFacts, UnitObject, WindowSize
from unishare.toolchain.tools.digests import of_bytes

BASE = 17
MORE = (1, 8)
# Powers of two, in bits, between which sizes are drawn; and how many libraries in ten have such a window.
SIZES = {Kind.TEXT: (6, 19, 10), Kind.RODATA: (6, 17, 9), Kind.DATA: (4, 12, 5), Kind.BSS: (3, 13, 6)}
Progress = Callable[[str, int, int], None]


def synthetic_libraries(count: int, seed: int) -> list[UnitObject]:
    """Library versions that were never compiled: the map looks at names, hashes and sizes only."""
    draw = random.Random(seed)
    return [_library(number, draw) for number in range(count)]


def synthetic_apps(libraries: Sequence[UnitObject], count: int, seed: int) -> list[list[UnitObject]]:
    """Apps that together hold all libraries: the base, the next few that none had, and some that another had."""
    draw = random.Random(seed)
    rest = list(libraries[BASE:])
    share = -(-len(rest) // count)
    apps = []
    for number in range(count):
        others = draw.sample(rest, min(len(rest), draw.randint(*MORE)))
        chosen = [*libraries[:BASE], *rest[number * share : (number + 1) * share], *others]
        apps.append(list({library.digest: library for library in chosen}.values()))
    return apps


def bench_map(versions: int, apps: int, rounds: int, progress: Progress) -> BenchReport:
    """Measure in a folder that is thrown away."""
    libraries = synthetic_libraries(versions, seed=1)
    parts = {name: max(1, versions * quarters // 4) for name, quarters in (("quarter", 1), ("half", 2), ("all", 4))}
    samples: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="unishare-map-") as folder:
        for name, count in parts.items():
            GlobalMap(Path(folder) / f"{name}.map").windows(libraries[:count])
        for number in range(rounds):
            file = Path(folder) / f"round{number}.map"
            samples.setdefault("allocate", []).append(_allocate(file, synthetic_apps(libraries, apps, seed=2)))
            for name in parts:
                samples.setdefault(f"load {name}", []).append(_load(Path(folder) / f"{name}.map"))
            progress("map", number + 1, rounds)
        state = GlobalMap(Path(folder) / "all.map").state()
        size = (Path(folder) / "all.map").stat().st_size
    filled = sum(window.size for entry in state.entries for window in entry.windows.values())
    rows = [Row.of(name, values, "ms") for name, values in samples.items()]
    rows += [
        Row.of("file", [size], "bytes"),
        Row.of("addresses", [state.zones.next_zone - LIBRARY_BASE], "bytes"),
        Row.of("windows", [filled], "bytes"),
    ]
    return BenchReport(
        bench="map",
        environment=environment(versions=versions, apps=apps, rounds=rounds, generations=state.generation),
        rows=rows,
        ratios={
            "load all/half": ratio(samples, "load all", "load half"),
            "load half/quarter": ratio(samples, "load half", "load quarter"),
            "windows/addresses": filled / (state.zones.next_zone - LIBRARY_BASE),
        },
    )


def _library(number: int, draw: random.Random) -> UnitObject:
    windows = {}
    for kind, (low, high, often) in SIZES.items():
        if draw.randrange(10) < often:
            windows[kind] = WindowSize(size=int(2 ** draw.uniform(low, high)), alignment=draw.choice((8, 16, 32, 64)))
    facts = UnitFacts(
        digest=of_bytes(f"{number}".encode()), windows=windows, constructors=0, destructors=0, thread_local=False,
        strong=[], weak=[], undefined=[],
    )  # fmt: skip
    return UnitObject(f"synthetic{number % 500}", f"{number // 500}.0", Path(), facts)


def _allocate(file: Path, apps: Sequence[Sequence[UnitObject]]) -> float:
    start = time.perf_counter()
    global_map = GlobalMap(file)
    for app in apps:
        global_map.windows(app)
    return (time.perf_counter() - start) * 1000


def _load(file: Path) -> float:
    start = time.perf_counter()
    GlobalMap(file).state()
    return (time.perf_counter() - start) * 1000
