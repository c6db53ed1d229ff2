"""The published report as a page that code hosts show: claims, tables and figures of `report.json`. A test compares the two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from unishare.evaluation.report.tables import claims_table, table

NAME = "README.md"
_FACTS = ("kernel", "processor", "cores", "memory_total", "python", "compiler", "unishare", "monitor")


def published_page(report: dict[str, Any]) -> str:
    """Markdown; figures lie beside it."""
    parts = [
        "# What was measured",
        "Written by `unishare evaluate --publish`; [the method](../evaluation.md), [all numbers](report.json).",
    ]
    if report["size"] != "full":
        parts.append(f"**This is a {report['size']} run: a look, not a result.**")
    parts.append("In brackets: the least and the most of the rounds, or where said 95 % confidence.")
    parts.append("## Claims")
    parts.append(_table(*claims_table(report["claims"])))
    for name, section in report["scenarios"].items():
        parts += _section(name, section)
    parts.append("## Environment")
    parts.append(_table(["", ""], [[key, str(report["environment"][key])] for key in _FACTS if key in report["environment"]]))
    return "\n\n".join(parts) + "\n"


def _section(name: str, section: dict[str, Any]) -> Iterable[str]:
    yield f"## {section['title']}\n\n{section['question']}"
    size = ", ".join(f"{field} {value}" for field, value in (section["size"] or {}).items())
    yield f"`{section['command']}`; seed {section['seed']}" + (f"; {size}" if size else "")
    if found := table(section["kind"], section["numbers"]):
        yield _table(*found)
    yield from (f"![{section['title']}]({file})" for file in section["figures"])
    if section["missing"]:
        yield _table([f"not measured in {name}", "why"], [[what, why] for what, why in section["missing"].items()])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines)
