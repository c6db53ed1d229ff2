"""`unishare demo`: from sources to a thousand running unikernels, and what sharing saved."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from unishare.cli.progress import steps
from unishare.cli.session import Session, bytes_text, note, pass_session, print_table

if TYPE_CHECKING:
    from unishare.evaluation.bench.memory import Configuration, MemorySample
    from unishare.fleet.messages import Tender


@click.command()
@click.option("-n", "--count", type=click.IntRange(6, 20_000), default=1000, show_default=True, help="Instances in a fleet.")
@click.option(
    "--figure", type=click.Path(dir_okay=False, path_type=Path), help="Where the PNG goes. Default: demo.png in the home."
)
@pass_session
def demo(session: Session, count: int, figure: Path | None) -> None:
    """Build six functions, run a thousand of them without and with sharing, check every answer, print what sharing saved."""
    from unishare.cli.build import build_apps
    from unishare.evaluation.bench.figure import draw_memory
    from unishare.evaluation.bench.workload import FUNCTIONS, load_functions

    build_apps(session, FUNCTIONS)
    functions = load_functions(session.settings)
    results: dict[str, dict[Configuration, MemorySample]] = {}
    for tender in _tenders():
        results[tender] = asyncio.run(_measure(session, functions, tender, count))
    _print(results, count)
    file = figure or session.settings.home / "demo.png"
    draw_memory(results, count, file)
    click.echo(f"figure: {file}")


def _tenders() -> list[Tender]:
    from unishare.host.doctor import kvm_problem

    problem = kvm_problem()
    if problem is None:
        return ["kvm", "process"]
    note(f"note: only the process tender is shown: {problem}")
    return ["process"]


async def _measure(session: Session, functions: list, tender: Tender, count: int) -> dict[Configuration, MemorySample]:  # type: ignore[type-arg]
    from unishare.evaluation.bench.memory import CONFIGURATIONS, credible, measure_fleet

    found: dict[Configuration, MemorySample] = {}
    with steps() as step:
        for name in CONFIGURATIONS:

            async def measure(name: Configuration = name) -> MemorySample:
                return await measure_fleet(session.settings, functions, tender, name, count, step)

            found[name] = await credible(f"{tender} {name}", measure, found.get("floor"), note)
    return found


def _print(results: dict[str, dict[Configuration, MemorySample]], count: int) -> None:
    columns = [
        "tender",
        "mode",
        "memory#",
        "each#",
        "above floor#",
        "each above floor#",
        "one more#",
        "PSS#",
        "start p50#",
        "answers#",
    ]
    rows = []
    for tender, samples in results.items():
        floor = samples["floor"].total
        for name, sample in samples.items():
            above = sample.total - floor
            rows.append(
                [
                    tender,
                    name,
                    bytes_text(sample.total),
                    bytes_text(sample.total / count),
                    "-" if name == "floor" else bytes_text(above),
                    "-" if name == "floor" else bytes_text(above / count),
                    "-" if sample.one_more is None else bytes_text(sample.one_more),
                    bytes_text(sample.pss),
                    f"{sample.start_ms:.1f} ms",
                    f"{sample.answers} right" if sample.answers else "-",
                ]
            )
    print_table(columns, rows, title=f"{count} instances of six functions; pool's resident pages and launcher included")
    for tender, samples in results.items():
        click.echo(_saving(tender, samples))


def _saving(tender: str, samples: dict[Configuration, MemorySample]) -> str:
    floor, copy, pool = (samples[name].total for name in ("floor", "copy", "pool"))
    share = f"{copy / pool:.1f}x less" if pool > 0 else "-"
    above = f", {(copy - floor) / (pool - floor):.1f}x less above the floor" if pool > floor else ""
    return f"{tender}: the pool saved {bytes_text(copy - pool)}: {share} in total{above}"
