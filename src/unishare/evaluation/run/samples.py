"""What was measured, on disk: a CSV of readings and a JSON of facts for each part. A part with both is done and is not measured again.

Folder: `OUTPUT/raw/SCENARIO/`. The JSON is written last, each file as a whole (state.replace_file), so an interrupted part leaves nothing
that looks finished. A part belongs to one `fingerprint`: of the scenario, its size, and the programs that were measured.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from unishare.errors import BadInputError
from unishare.state import replace_file

FIELDS = ("phase", "time_s", "subject", "measure", "unit", "value")


@dataclass(frozen=True)
class Reading:
    """One number. `subject`: what it belongs to within its part (an app, a number of instances), empty where to the part itself."""

    measure: str
    unit: str
    value: float
    phase: str = ""
    time_s: float = 0.0
    subject: str = ""


@dataclass(frozen=True)
class PartName:
    """Which part: a scenario's configuration in one round."""

    scenario: str
    configuration: str
    round: int

    @property
    def stem(self) -> str:
        """Of its files."""
        return f"{re.sub('[^a-z0-9]+', '-', self.configuration.lower()).strip('-') or 'all'}.{self.round}"


@dataclass(frozen=True)
class Part:
    """A part that is done."""

    name: PartName
    readings: list[Reading]
    facts: dict[str, Any]

    def values(self, measure: str, *, phase: str | None = None, subject: str | None = None) -> list[float]:
        """All readings of a measure."""
        return [
            reading.value
            for reading in self.readings
            if reading.measure == measure and phase in (None, reading.phase) and subject in (None, reading.subject)
        ]

    def value(self, measure: str, **where: str) -> float | None:
        """The last reading of a measure; None where there is none."""
        found = self.values(measure, **where)
        return found[-1] if found else None


class Samples:
    """All parts of one output folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def create(cls, output: Path) -> Self:
        """Open the folder's readings, made if they are not there."""
        (output / "raw").mkdir(parents=True, exist_ok=True)
        return cls(output / "raw")

    def done(self, name: PartName, fingerprint: str) -> bool:
        """Whether this part was measured, with the same programs and sizes."""
        facts = self._facts(name)
        return facts is not None and facts.get("fingerprint") == fingerprint

    def write(self, name: PartName, readings: Sequence[Reading], facts: dict[str, Any]) -> None:
        """Keep a part."""
        folder = self.folder / name.scenario
        folder.mkdir(parents=True, exist_ok=True)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(FIELDS)
        for reading in readings:
            writer.writerow(
                (reading.phase, f"{reading.time_s:.3f}", reading.subject, reading.measure, reading.unit, f"{reading.value!r}")
            )
        replace_file(folder / f"{name.stem}.csv", text.getvalue().encode())
        whole = {"scenario": name.scenario, "configuration": name.configuration, "round": name.round, **facts}
        replace_file(folder / f"{name.stem}.json", (json.dumps(whole, indent=1) + "\n").encode())

    def parts(self, scenario: str) -> list[Part]:
        """The done parts of a scenario."""
        return sorted(self._parts(scenario), key=lambda part: (part.facts.get("order", 0), part.name.round))

    def _parts(self, scenario: str) -> Iterator[Part]:
        for file in sorted((self.folder / scenario).glob("*.json")):
            facts = json.loads(file.read_text())
            name = PartName(scenario, facts["configuration"], facts["round"])
            yield Part(name, read_readings(file.with_suffix(".csv")), facts)

    def _facts(self, name: PartName) -> dict[str, Any] | None:
        try:
            found = json.loads((self.folder / name.scenario / f"{name.stem}.json").read_text())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None


def read_readings(file: Path) -> list[Reading]:
    """Read a part's CSV."""
    try:
        with file.open(newline="") as stream:
            return [
                Reading(row["measure"], row["unit"], float(row["value"]), row["phase"], float(row["time_s"]), row["subject"])
                for row in csv.DictReader(stream)
            ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise BadInputError(
            f"{file}: not readings of an evaluation: {error}", "remove the file: the part is measured again"
        ) from None
