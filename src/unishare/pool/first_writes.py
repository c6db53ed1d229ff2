"""What every first request writes: the monitor asks instances of snapshots, and the pages that all of them wrote are put into the snapshots.

An instance makes its copies of these pages while its request is still on its way. In: snapshots that are published, and requests.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from unishare.errors import BadInputError, TimeLimitError
from unishare.formats.snapshot import PageRange, Snapshot
from unishare.monitor_program import ask_monitor
from unishare.pool.store import Pool
from unishare.state import replace_file

TIME_LIMIT_S = 2.0
# Beyond the limits that the monitor keeps itself.
PATIENCE_S = 20.0
WHOLE = "Its snapshots are whole without; under KVM a first request takes a little longer."


def add(
    pool: Pool, manifest: Path, published: Sequence[tuple[Path, Snapshot]], requests: Sequence[bytes], temporary: Path
) -> None:
    """Put what requests write into snapshots that were published, each by its file; one that was replaced meanwhile stays as it is."""
    arguments = ["first-writes", str(manifest), "--pool", str(pool.folder)]
    arguments += ["--time-limit-ms", str(round(TIME_LIMIT_S * 1000))]
    for file, _ in published:
        arguments += ["--snapshot", str(file)]
    for number, request in enumerate(requests):
        question = temporary / f"{number}.request"
        question.write_bytes(request)
        arguments += ["--request", str(question)]
    limit = PATIENCE_S + TIME_LIMIT_S * len(published) * len(requests)
    late = TimeLimitError(f"{manifest}: its instances were not asked within {limit:.0f} s", WHOLE)
    done = ask_monitor(arguments, limit, late)
    if done.returncode:
        raise BadInputError(f"{manifest}: its instances were not asked: {done.stderr.strip()}", WHOLE)
    for (file, snapshot), written in zip(published, json.loads(done.stdout), strict=True):
        if written and Snapshot.read(file) == snapshot:
            ranges = [PageRange.model_validate(stretch) for stretch in written]
            replace_file(file, snapshot.model_copy(update={"first_writes": ranges}).to_text().encode())
