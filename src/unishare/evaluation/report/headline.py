"""README's headline: a paragraph and a figure, made from a published report and put between two marks. A test compares them.

It says what was measured, whichever way it turned out. `unishare evaluate --publish DIR --readme README.md` writes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from unishare.errors import BadInputError
from unishare.evaluation.report.claims import find
from unishare.evaluation.report.measured import ReportNumber

BEGIN, END = "<!-- evaluation: made by unishare evaluate --readme -->", "<!-- /evaluation -->"
_BLOCK = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
# How README calls a configuration of the memory scenario.
_NAMES = {
    "default": "linked as usual",
    "dce": "without dead code",
    "dce+ksm": "without dead code, merged by KSM",
    "aligned+ksm": "aligned, merged by KSM",
    "pool aligned": "shared from the pool, aligned",
    "pool aligned snapshot reset": "the same, started from a snapshot and back to it after each answer",
    "pool aslr": "shared from the pool, random addresses",
    "pool aslr snapshot reset": "the same, started from a snapshot and back to it after each answer",
    "pool aslr snapshot reset parked kvm": "the same as KVM virtual machines, which are given back while they are idle",
    "floor process": "an empty instance, a process",
    "floor kvm": "an empty instance, a KVM virtual machine",
}
_FIGURE = "memory-idle.png"


def headline(numbers: Mapping[str, Sequence[ReportNumber]]) -> dict[str, str]:
    """What README says, by name; only what was measured."""
    found = {}
    for configuration in _NAMES:
        if number := find(numbers, "memory", configuration, "each"):
            found[configuration] = f"{number.median / 1024:,.0f}"
    if instances := find(numbers, "memory", "pool aslr", "instances"):
        found["instances"] = f"{instances.median:,.0f}"
    if speed := find(numbers, "speed", "process", "aslr/default"):
        found["speed"] = f"{speed.median:.2f}"
    return found


def block(report: Mapping[str, Any], figures: str) -> str:
    """The text between the marks; `figures`: the folder of the published figures, as README names it."""
    said = report["headline"]
    rows = [f"| {_NAMES[name]} | {said[name]} |" for name in _NAMES if name in said]
    speed = f" Work a second of processor time is {said['speed']} of that of images linked as usual." if "speed" in said else ""
    lines = [
        BEGIN,
        f"{said.get('instances', 'Some')} different functions have answered as a public cloud's trace shapes requests, and are idle; processes where it does not say otherwise. Everything is counted: the monitor, "
        f"kernel memory, the pool's pages.{speed}",
        "",
        "| | KiB an instance |",
        "| --- | --- |",
        *rows,
        "",
        f"![Memory of an idle instance]({figures}/{_FIGURE})",
        "",
        f"[The evaluation](docs/evaluation.md) has the method, the spread, and every claim beside what was measured ([report]({figures}/report.json)).",
        END,
    ]
    return "\n".join(lines)


def written_block(page: str) -> str | None:
    """The block that a page has now; None without marks."""
    found = _BLOCK.search(page)
    return found[0] if found else None


def with_block(page: str, report: Mapping[str, Any], figures: str) -> str:
    """The page with the report's block in place of the one it has."""
    if written_block(page) is None:
        raise BadInputError("the page has no marks for the headline", f"put {BEGIN} and {END} where it belongs")
    return _BLOCK.sub(lambda _: block(report, figures), page, count=1)
