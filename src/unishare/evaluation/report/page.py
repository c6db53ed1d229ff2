"""The report as one HTML page: figures inside it, nothing loaded from elsewhere, readable when printed."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from unishare.evaluation.report.tables import claims_table, table

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; color: #111 }
h1, h2 { line-height: 1.2 } h2 { margin-top: 2.2em; border-top: 1px solid #999; padding-top: .6em }
img { max-width: 100%; border: 1px solid #ddd; margin: .6em 0 } code { background: #f2f2f2; padding: .1em .3em }
table { border-collapse: collapse; margin: .8em 0; font-size: 13px } th, td { border: 1px solid #ccc; padding: .2em .55em; text-align: left; vertical-align: top }
td.number { text-align: right; font-variant-numeric: tabular-nums } details { margin: .8em 0 } .warning { border: 2px solid #111; padding: .5em 1em }
"""
MOST_ROWS = 400


def page(report: dict[str, Any], figures: Path) -> str:
    """The whole text."""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>unishare: evaluation</title>",
        f"<style>{_STYLE}</style><h1>unishare: evaluation</h1>",
    ]
    if report["size"] != "full":
        parts.append(
            f"<p class=warning>This is a {report['size']} run: smaller fleets and fewer rounds. A look, not a result.</p>"
        )
    parts.append("<h2>Claims</h2>")
    parts.append(_table(*claims_table(report["claims"])))
    for name, section in report["scenarios"].items():
        parts.append(_section(name, section, figures))
    parts.append("<h2>Environment</h2>")
    parts.append(_table(["", ""], [[key, str(value)] for key, value in report["environment"].items()]))
    return "\n".join(parts) + "\n"


def _section(name: str, section: dict[str, Any], figures: Path) -> str:
    parts = [f"<h2 id={name}>{escape(section['title'])}</h2><p>{escape(section['question'])}</p>"]
    parts.append(
        f"<p>Command: <code>{escape(section['command'])}</code>; seed {section['seed']}; measured in {section['seconds']} s.</p>"
    )
    if found := table(section["kind"], section["numbers"]):
        head, rows = found
        parts.append(_table(head, rows, numbers=range(1, len(head))))
    for file in section["figures"]:
        data = base64.b64encode((figures / file).read_bytes()).decode()
        parts.append(f"<img alt='{escape(section['title'])}' src='data:image/png;base64,{data}'>")
    if section["missing"]:
        parts.append("<p>Not measured:</p>")
        parts.append(_table(["what", "why"], [[what, why] for what, why in section["missing"].items()]))
    rows = [
        [
            number["configuration"],
            number["subject"],
            number["measure"],
            *(_value(number[key]) for key in ("median", "low", "high")),
            number["unit"],
            str(number["n"]),
        ]
        for number in section["numbers"][:MOST_ROWS]
    ]
    if rows:
        parts.append(f"<details><summary>{len(rows)} numbers</summary>")
        parts.append(
            _table(["configuration", "of", "measure", "median", "least", "most", "unit", "n"], rows, numbers=(3, 4, 5, 7))
        )
        parts.append("</details>")
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    cells = "".join(f"<th>{escape(title)}</th>" for title in head)
    lines = [f"<table><tr>{cells}</tr>"]
    for row in rows:
        lines.append(
            "<tr>"
            + "".join(f"<td{' class=number' if place in numbers else ''}>{escape(cell)}</td>" for place, cell in enumerate(row))
            + "</tr>"
        )
    return "\n".join([*lines, "</table>"])


def _value(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"
