"""Taking snapshots of an image: the monitor runs it until it waits for a request, and its pages become pool content.

In: an image folder whose manifest the pool holds. Out: `snapshots/N.json` beside it. All are taken, or the old ones stay.
"""

from __future__ import annotations

import errno
import hashlib
import json
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unishare.errors import BadInputError, InputOutputError, TimeLimitError, UnishareError
from unishare.formats.addresses import PAGE
from unishare.formats.image import MANIFEST_NAME
from unishare.formats.manifest import Manifest
from unishare.formats.snapshot import FOLDER_NAME, Snapshot, snapshots_of
from unishare.monitor_program import ask_monitor
from unishare.pool import first_writes
from unishare.pool.store import Pool
from unishare.state import replace_file, replace_folder
from unishare.unfinished import unfinished_folder

TIME_LIMIT_S = 10.0
# Beyond the limit that the monitor keeps itself.
PATIENCE_S = 20.0
SEED_FILE = "snapshot.seed"
SEED_BYTES = 32
ASLR_COUNT = 4
# How many requests show what every one of them writes.
REQUESTS = 3


def default_count(layout: str) -> int:
    """How many snapshots an image gets: one of each draw, and there is one draw where addresses are fixed."""
    return ASLR_COUNT if layout == "aslr" else 1


def take(
    pool: Pool,
    folder: Path,
    *,
    count: int | None = None,
    warm: Sequence[Path] = (),
    requests: Sequence[bytes] = (),
    time_limit_s: float = TIME_LIMIT_S,
) -> list[Path]:
    """Take an image's snapshots in place of those it has; their files. `requests`: some as its instances will be asked, which show what a
    first request writes."""
    text = (folder / MANIFEST_NAME).read_bytes()
    manifest = Manifest.parse(text, str(folder / MANIFEST_NAME))
    image = hashlib.sha256(text).hexdigest()
    wanted = default_count(manifest.layout) if count is None else count
    try:
        with unfinished_folder(folder) as temporary:
            taken = [_run_once(pool, folder, manifest, number, warm, time_limit_s, temporary) for number in range(wanted)]
            # Nothing may be collected between the pages and the snapshots that name them.
            with pool.locked():
                snapshots = [
                    Snapshot(name=manifest.name, image=image, pages=pool.store_pages(pages), **state) for state, pages in taken
                ]
                snapshots = pool.with_page_tables(snapshots, folder / MANIFEST_NAME)
                files = _publish(folder, temporary, snapshots)
            if requests:
                # They are whole without it, and the guest is not run under the pool's lock.
                published = list(zip(files, snapshots, strict=True))
                first_writes.add(pool, folder / MANIFEST_NAME, published, requests[:REQUESTS], temporary)
            return files
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise InputOutputError(
            f"{folder.name}: no space is left for its snapshots: {error.filename or pool.folder}",
            "Free some ('unishare pool gc'); the image starts without them.",
        ) from None


def are_current(pool: Pool, folder: Path) -> bool:
    """Whether an image has snapshots, all of this build, with all their pages and, where those are drawn, page tables."""
    files = snapshots_of(folder / MANIFEST_NAME)
    image = hashlib.sha256((folder / MANIFEST_NAME).read_bytes()).hexdigest()
    try:
        found = [Snapshot.read(file) for file in files]
    except UnishareError:
        return False
    return bool(found) and all(
        snapshot.image == image
        and (snapshot.draw is None or snapshot.page_tables is not None)
        and all(map(pool.has_run, snapshot.runs))
        for snapshot in found
    )


def remove(folder: Path) -> None:
    """Drop an image's snapshots; their pages go with the next `pool gc`."""
    shutil.rmtree(folder / FOLDER_NAME, ignore_errors=True)


def _publish(folder: Path, temporary: Path, taken: Sequence[Snapshot]) -> list[Path]:
    """Put the snapshots in the place of the old ones, in one step for readers."""
    fresh, target = temporary / FOLDER_NAME, folder / FOLDER_NAME
    fresh.mkdir()
    for number, snapshot in enumerate(taken):
        replace_file(fresh / f"{number}.json", snapshot.to_text().encode())
    replace_folder(fresh, target)
    return [target / f"{number}.json" for number in range(len(taken))]


def _run_once(
    pool: Pool, folder: Path, manifest: Manifest, number: int, warm: Sequence[Path], time_limit_s: float, temporary: Path
) -> tuple[dict[str, Any], list[tuple[int, bytes]]]:
    """Let the monitor take a snapshot: what it says of it, and the pages."""
    arguments = ["snapshot", str(folder / MANIFEST_NAME), "--pool", str(pool.folder)]
    arguments += ["--output", str(temporary), "--seed", _seed(pool, manifest, number)]
    arguments += ["--time-limit-ms", str(max(1, round(time_limit_s * 1000)))]
    for file in warm:
        arguments += ["--warm", str(file)]
    _run(arguments, manifest.name, time_limit_s)
    state = json.loads((temporary / "state.json").read_bytes())
    data = (temporary / "pages.bin").read_bytes()
    addresses = [int(address, 16) for address in state.pop("addresses")]
    pages = [(address, data[at * PAGE : (at + 1) * PAGE]) for at, address in enumerate(addresses)]
    return state, pages


def _run(arguments: list[str], name: str, time_limit_s: float) -> None:
    late = TimeLimitError(f"{name}: its snapshot was not taken in time")
    done = ask_monitor(arguments, time_limit_s + PATIENCE_S, late)
    if not done.returncode:
        return
    lines = done.stderr.strip().splitlines()
    message = "\n".join(line.removeprefix("error: ") for line in lines if not line.startswith("hint: "))
    hint = next((line.removeprefix("hint: ") for line in lines if line.startswith("hint: ")), None)
    kinds: dict[int, type[UnishareError]] = {65: BadInputError, 74: InputOutputError, 124: TimeLimitError}
    raise kinds.get(done.returncode, UnishareError)(f"{name}: no snapshot was taken: {message}", hint)


def _seed(pool: Pool, manifest: Manifest, number: int) -> str:
    """What a snapshot's addresses and hash seeds are drawn from: the pool's secret, and the same for all images that hold the same
    libraries, so that what depends on it is equal in functions of one language."""
    libraries = [[library.name, library.hash] for library in manifest.libraries]
    group = json.dumps([manifest.layout, libraries, manifest.stack, manifest.heap, number])
    return hashlib.sha256(_secret(pool) + group.encode()).hexdigest()


def _secret(pool: Pool) -> bytes:
    file = pool.folder / SEED_FILE
    secret = _read_secret(file)
    if secret is None:
        with pool.locked():
            secret = _read_secret(file)
            if secret is None:  # else another command was quicker
                secret = secrets.token_bytes(SEED_BYTES)
                replace_file(file, secret, mode=0o600, incoming=pool.folder / "incoming")
    return secret


def _read_secret(file: Path) -> bytes | None:
    """The pool's secret; None when there is none, or less than all of it: addresses must not be drawn from what others can guess."""
    try:
        secret = file.read_bytes()
    except FileNotFoundError:
        return None
    return secret if len(secret) == SEED_BYTES and any(secret) else None
