"""Snapshots that are taken in a virtual machine: the features of its processor are part of them.

The monitor there writes the state and the pages, and the pages become a run of the pool there, all in one. The snapshot that names them
is written here, as `unishare snapshot` does, and sent.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from hardware.virtual_machine import POOL, VirtualMachine
from unishare.formats.addresses import PAGE
from unishare.formats.snapshot import PageStretch, Snapshot

SEED = "5eed" * 16
LIMIT_MS = 60_000


def take(machine: VirtualMachine, image: Path) -> str:
    """Take a snapshot of an image, which is in this folder here; its file there."""
    layout, name = image.parts[-2:]
    manifest = machine.manifest(layout, name)
    folder = f"/tmp/snapshot-{layout}-{name}"
    limit = LIMIT_MS * machine.host.slowness
    machine.shell.run(
        f"mkdir {folder} && unishare-monitor snapshot {manifest} --pool {POOL} --output {folder} --seed {SEED} --time-limit-ms {limit}"
    )
    state = json.loads(machine.shell.run(f"cat {folder}/state.json"))
    run = machine.shell.run(f"sha256sum {folder}/pages.bin").split()[0]
    machine.shell.run(f"mkdir -p {POOL}/runs/{run[:2]} && mv {folder}/pages.bin {POOL}/runs/{run[:2]}/{run}")
    snapshot = Snapshot(
        name=name,
        image=hashlib.sha256((image / "manifest.json").read_bytes()).hexdigest(),
        pages=_stretches([int(address, 16) for address in state.pop("addresses")], run),
        **state,
    )
    machine.shell.write(f"{folder}/0.json", snapshot.to_text().replace("\n", ""))
    return f"{folder}/0.json"


def _stretches(addresses: list[int], run: str) -> list[PageStretch]:
    """The pages of a run, one after another, at these addresses."""
    starts = [at for at, address in enumerate(addresses) if at == 0 or addresses[at - 1] + PAGE != address]
    return [
        PageStretch(address=hex(addresses[first]), pages=behind - first, run=run, first=first)
        for first, behind in zip(starts, [*starts[1:], len(addresses)], strict=True)
    ]
