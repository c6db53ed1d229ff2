"""Which configurations the product can run: an option that it does not have is refused by name, and the report says so.

An option is a field of the launcher's `start` request; when the product gets one, it is named in `REQUEST_FIELDS`.
"""

from __future__ import annotations

from typing import Any

from unishare.evaluation.scenario import Configuration
from unishare.fleet.messages import StartRequest

# Option of a configuration, the value that any product has, the field of a start request that asks for another, and what is asked.
REQUEST_FIELDS: tuple[tuple[str, object, str, Any], ...] = (
    ("start", "image", "snapshot", True),
    ("state", "kept", "reset", True),
    ("park", False, "park_ms", 100),
    ("give_back", True, "trim", False),
)


def lacks(configuration: Configuration) -> str | None:
    """What this product lacks for a configuration; None where it can be run."""
    for option, plain, field, _ in REQUEST_FIELDS:
        if getattr(configuration, option) != plain and field not in StartRequest.model_fields:
            return f"{option} = {getattr(configuration, option)!r}: this version of unishare has no such option"
    return None


def start_options(configuration: Configuration) -> dict[str, Any]:
    """The fields of a start request that a configuration's options need."""
    return {field: value for option, plain, field, value in REQUEST_FIELDS if getattr(configuration, option) != plain}
