"""Writes the report of a run: `report.json`, figures, and `report.html`, one file that needs nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from unishare.errors import BadInputError
from unishare.evaluation.report.claims import claims
from unishare.evaluation.report.figures import FIGURES
from unishare.evaluation.report.headline import headline
from unishare.evaluation.report.measured import Measured, ReportNumber
from unishare.evaluation.report.numbers import NUMBERS, peers_missing
from unishare.evaluation.report.page import page
from unishare.evaluation.report.published import NAME, published_page
from unishare.evaluation.run.samples import Samples
from unishare.evaluation.scenario import Scenario
from unishare.state import replace_file

FORMAT = "unishare-evaluation"


def write_report(output: Path, scenarios: Sequence[Scenario], publish: Path | None = None) -> dict[str, Any]:
    """Numbers and figures of what the folder holds; what `report.json` says. `publish`: a second place, without raw samples."""
    run = read_run(output)
    figures = output / "figures"
    figures.mkdir(exist_ok=True)
    numbers: dict[str, list[ReportNumber]] = {}
    sections: dict[str, Any] = {}
    for scenario in scenarios:
        measured = _measured(Samples(output / "raw"), scenario, run)
        drawn: Sequence[str] = []
        if measured.parts:
            numbers[scenario.scenario] = NUMBERS[scenario.kind](measured)
            drawn = FIGURES[scenario.kind](measured, figures)
        missing = {**measured.missing, **(peers_missing(measured) if scenario.kind == "peers" else {})}
        sections[scenario.scenario] = {
            "kind": scenario.kind,
            "title": scenario.title,
            "question": scenario.question,
            "command": measured.parts[0].facts["command"] if measured.parts else f"unishare evaluate {scenario.scenario}",
            "seed": scenario.seed,
            "size": measured.parts[0].facts["size"] if measured.parts else None,
            "seconds": round(sum(part.facts["seconds"] for part in measured.parts)),
            "missing": missing,
            "figures": list(drawn),
            "numbers": [asdict(number) for number in numbers.get(scenario.scenario, [])],
        }
    report = {
        "format": FORMAT,
        "version": 1,
        "size": run["size"],
        "environment": run["environment"],
        "headline": headline(numbers),
        "claims": [asdict(claim) for claim in claims(numbers)],
        "scenarios": sections,
    }
    text = (json.dumps(report, indent=1) + "\n").encode()
    replace_file(output / "report.json", text)
    replace_file(output / "report.html", page(report, figures).encode())
    if publish is not None:
        _publish(publish, text, figures, report)
    return report


def read_run(output: Path) -> dict[str, Any]:
    """`run.json`."""
    try:
        run = json.loads((output / "run.json").read_text())
    except (OSError, ValueError) as error:
        raise BadInputError(f"{output / 'run.json'}: {error}", "measure again: unishare evaluate") from None
    if not isinstance(run, dict) or not {"size", "environment", "parts"} <= set(run):
        raise BadInputError(f"{output / 'run.json'}: not what became of a run", "measure again: unishare evaluate")
    return run


def _measured(samples: Samples, scenario: Scenario, run: dict[str, Any]) -> Measured:
    """The parts of this run: readings that other programs or sizes left in the folder are not taken."""
    outcomes = [outcome for outcome in run["parts"] if outcome["scenario"] == scenario.scenario]
    wanted = {
        (outcome["configuration"], outcome["round"], outcome["fingerprint"])
        for outcome in outcomes
        if outcome["state"] == "done"
    }
    parts = [
        part for part in samples.parts(scenario.scenario)
        if (part.name.configuration, part.name.round, part.facts.get("fingerprint")) in wanted
    ]  # fmt: skip
    have = {part.name.configuration for part in parts}
    missing = {
        outcome["configuration"]: f"{outcome['state']}: {outcome['reason']}"
        for outcome in outcomes
        if outcome["state"] != "done" and outcome["configuration"] not in have
    }
    return Measured(scenario, parts, missing, run["size"])


def _publish(folder: Path, report: bytes, figures: Path, content: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / "report.json", report)
    replace_file(folder / NAME, published_page(content).encode())
    for section in content["scenarios"].values():
        for name in section["figures"]:
            shutil.copyfile(figures / name, folder / name)
