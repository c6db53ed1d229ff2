"""The readings of one scenario as the report asks for them: by configuration, over rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from unishare.evaluation.report.statistics import Summary
from unishare.evaluation.run.samples import Part
from unishare.evaluation.scenario import Scenario


@dataclass(frozen=True)
class Measured:
    """A scenario's parts that were measured, and the reasons of those that were not (by configuration)."""

    scenario: Scenario
    parts: Sequence[Part]
    missing: dict[str, str]
    size: str

    @property
    def titles(self) -> list[str]:
        """Configurations that were measured, in the scenario's order."""
        order = {part.name.configuration: part.facts.get("order", 0) for part in self.parts}
        return sorted(order, key=lambda title: int(order[title]))

    def of(self, title: str) -> list[Part]:
        """A configuration's rounds."""
        return [part for part in self.parts if part.name.configuration == title]

    def samples(self, title: str, measure: str, *, phase: str | None = None, subject: str | None = None) -> list[float]:
        """All readings of all rounds."""
        return [value for part in self.of(title) for value in part.values(measure, phase=phase, subject=subject)]

    def summary(self, title: str, measure: str, *, phase: str | None = None, subject: str | None = None) -> Summary | None:
        """Middle and spread; None where nothing was read."""
        found = self.samples(title, measure, phase=phase, subject=subject)
        return Summary.of(found) if found else None

    def subjects(self, title: str, measure: str) -> list[str]:
        """What a measure was read of, in the order of reading."""
        found = (reading.subject for part in self.of(title) for reading in part.readings if reading.measure == measure)
        return list(dict.fromkeys(found))

    @property
    def fleets(self) -> str:
        """How large the fleets were, how many rounds, and whether it is only a look: every figure says it below."""
        size: dict[str, Any] = self.parts[0].facts.get("size", {}) if self.parts else {}
        rounds = max((part.name.round for part in self.parts), default=0)
        # A size of one instance says nothing: nothing runs as a fleet there.
        fleet = f"{size.get('instances')} instances, " if size.get("instances", 1) > 1 else ""
        words = f"{fleet}{rounds} round{'s' if rounds != 1 else ''}"
        return words if self.size == "full" else f"{self.size.upper()} RUN, NOT A RESULT: {words}"

    @property
    def caption(self) -> str:
        """The same, of a figure with bars."""
        return f"{self.fleets}; medians, whiskers from least to most"


@dataclass(frozen=True)
class ReportNumber:
    """One number of the report."""

    configuration: str
    measure: str
    unit: str
    median: float
    low: float
    high: float
    n: int
    subject: str = ""

    @classmethod
    def of(cls, configuration: str, measure: str, unit: str, summary: Summary, subject: str = "") -> ReportNumber:
        return cls(configuration, measure, unit, summary.median, summary.low, summary.high, summary.n, subject)
