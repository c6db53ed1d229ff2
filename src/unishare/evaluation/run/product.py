"""Which configurations the product can run: an option that it does not have is refused by name, and the report says so.

An option is a field of the launcher's `start` request; when the product gets another one, it is named in `REQUEST_FIELDS`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unishare.errors import NotFoundError
from unishare.evaluation.scenario import Configuration
from unishare.fleet.messages import StartRequest
from unishare.formats.snapshot import snapshots_of

# Option of a configuration, the value that any product has, the field of a start request that asks for another, and what is asked.
# The value of `snapshots` is each image's own.
REQUEST_FIELDS: tuple[tuple[str, object, str, Any], ...] = (
    ("start", "image", "snapshots", None),
    ("state", "kept", "reset", True),
    ("park", False, "park_ms", 100),
    ("give_back", True, "quiet_ms", 0),
)


def lacks(configuration: Configuration) -> str | None:
    """What this product lacks for a configuration; None where it can be run."""
    for option, plain, field, _ in REQUEST_FIELDS:
        if getattr(configuration, option) != plain and field not in StartRequest.model_fields:
            return f"{option} = {getattr(configuration, option)!r}: this version of unishare has no such option"
    if configuration.start == "snapshot" and configuration.sharing != "pool":
        return "start = 'snapshot': a snapshot's pages come from the pool, so sharing must be pool"
    if configuration.state == "none" and configuration.start != "snapshot":
        return "state = 'none': an instance returns to its snapshot, so start must be snapshot"
    return None


def start_options(configuration: Configuration, manifest: Path | None) -> dict[str, Any]:
    """The fields of a start request that a configuration's options need; empty instances (no manifest) have no snapshots."""
    options = {field: value for option, plain, field, value in REQUEST_FIELDS if getattr(configuration, option) != plain}
    if not configuration.park:
        # Left to itself it parks after some seconds: what is measured unparked must stay so.
        options["park_ms"] = 0
    if "snapshots" in options:
        if manifest is None:
            return {name: value for name, value in options.items() if name not in ("snapshots", "reset")}
        options["snapshots"] = [str(file) for file in snapshots_of(manifest)]
        if not options["snapshots"]:
            raise NotFoundError(f"{manifest.parent.name} has no snapshots", "unishare evaluate --prepare takes them")
    return options
