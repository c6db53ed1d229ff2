"""Progress for people on stderr: a moving line on a terminal; elsewhere a plain line now and then, and one at the end of a step."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

Step = Callable[[str, int, int], None]
INTERVAL_S = 2.0


@contextlib.contextmanager
def steps() -> Iterator[Step]:
    """A function to call with (what is done, how much of it, how much in all)."""
    if not sys.stderr.isatty():
        yield _plain_step()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("")
        yield lambda what, done, total: bars.update(task, description=what, completed=done, total=total)


def _plain_step() -> Step:
    shown = time.monotonic()

    def step(what: str, done: int, total: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if done < total and now - shown < INTERVAL_S:
            return
        shown = now
        print(f"{what}: {done}/{total}", file=sys.stderr, flush=True)

    return step
