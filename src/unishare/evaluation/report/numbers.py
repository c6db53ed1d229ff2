"""The numbers of each scenario: what figures show and `report.json` holds, each with its spread."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from unishare.evaluation.report.measured import Measured, ReportNumber
from unishare.evaluation.report.statistics import Summary, fit, geometric, percentile

HOST = 256 << 30
# Memory of such a host that is not for instances.
HOST_RESERVED = 8 << 30


def floor_title(title: str) -> str | None:
    """The floor that belongs to a configuration. None: empty instances do not wait for requests, so they do not park."""
    if "parked" in title.split():
        return None
    return "floor kvm" if title.endswith("kvm") else "floor process"


def memory(measured: Measured) -> list[ReportNumber]:
    """All samplers at the end, an instance; and above the floor of the same round."""
    numbers = []
    for title in measured.titles:
        rounds = measured.of(title)
        instances = rounds[0].value("instances", phase="end") or 1
        numbers += _plain(measured, [title], phase="end")
        totals = measured.samples(title, "total", phase="end")
        numbers.append(ReportNumber.of(title, "each", "bytes", Summary.of([total / instances for total in totals])))
        if not title.startswith("floor") and (above := above_floor(measured, title)):
            numbers.append(
                ReportNumber.of(title, "each above floor", "bytes", Summary.of([value / instances for value in above]))
            )
    return numbers


def above_floor(measured: Measured, title: str) -> list[float]:
    """Totals less the floor of the same round, or of its only one."""
    floor_of = floor_title(title)
    if floor_of is None:
        return []
    floors = {part.name.round: part.value("total", phase="end") for part in measured.of(floor_of)}
    found = []
    for part in measured.of(title):
        total, floor = part.value("total", phase="end"), floors.get(part.name.round, next(iter(floors.values()), None))
        if total is not None and floor is not None:
            found.append(total - floor)
    return found


def tlb(measured: Measured) -> list[ReportNumber]:
    """Flushes, and those of the instances for a thousand requests."""
    numbers = _plain(measured, measured.titles)
    for title in measured.titles:
        each = []
        for part in measured.of(title):
            own = sum(part.value(f"by instances {kind}") or 0 for kind in ("local", "asked"))
            each.append(own / max(1, part.value("answers") or 1) * 1000)
        numbers.append(ReportNumber.of(title, "by instances for 1000 requests", "flushes", Summary.of(each)))
    return numbers


def sizes(measured: Measured) -> list[ReportNumber]:
    """Bytes over all apps, and geometric means of their ratios to the default layout's."""
    numbers = []
    for title in measured.titles:
        for field in ("file", "loaded", "added", "tables"):
            numbers.append(ReportNumber.of(title, field, "bytes", Summary.of(measured.samples(title, field))))
        ratios = size_ratios(measured, title)
        if ratios and (mean := geometric(ratios)):
            numbers.append(ReportNumber(title, "file / default", "ratio", mean, min(ratios), max(ratios), len(ratios)))
    return numbers


def size_ratios(measured: Measured, title: str) -> list[float]:
    """Of each app: its file under this layout, over its file under the default one."""
    apps = measured.subjects(title, "file")
    plain = {app: measured.samples("default", "file", subject=app) for app in apps}
    return [measured.samples(title, "file", subject=app)[0] / plain[app][0] for app in apps if plain[app]]


def speed(measured: Measured) -> list[ReportNumber]:
    """Ratios of work a second: a sample is the geometric mean over apps of one round."""
    numbers = []
    for title in measured.titles:
        for layout in ("dce", "aligned", "aslr"):
            if summary := measured.summary(title, f"ratio {layout}/default"):
                numbers.append(ReportNumber.of(title, f"{layout}/default", "ratio", summary))
    return numbers


def start(measured: Measured) -> list[ReportNumber]:
    """p50 and p99 of all samples; and of each app, how far its p50 is above that of empty instances in the same turns."""
    numbers = []
    for title in measured.titles:
        for measure in ("first answer", "wake", "ready"):
            samples = measured.samples(title, measure)
            for percent in (50, 99) if samples else ():
                value = percentile(samples, percent)
                numbers.append(
                    ReportNumber(title, f"{measure} p{percent}", "ms", value, min(samples), max(samples), len(samples))
                )
        for app in measured.subjects(title, "first answer"):
            if app and (above := start_above_empty(measured, title, app)):
                numbers.append(ReportNumber.of(title, f"{app} above empty", "ms", Summary.of(above)))
    return numbers


def start_above_empty(measured: Measured, title: str, app: str) -> list[float]:
    """Of each round: milliseconds between the medians of an app's starts and of an empty instance's between them."""
    return [
        statistics.median(samples) - statistics.median(empty)
        for part in measured.of(title)
        if (samples := part.values("first answer", subject=app)) and (empty := part.values("empty first answer"))
    ]


def deduplication(measured: Measured) -> list[ReportNumber]:
    """Without the curves, and of the samplers only the total before merging."""
    names = ("start work", "ksmd", "converged after", "total merged", "ksm metadata")
    numbers = [number for number in _plain(measured, measured.titles, phase="") if number.measure in names]
    numbers += [number for number in _plain(measured, measured.titles, phase="end") if number.measure in names]
    for title in measured.titles:
        if before := measured.summary(title, "total", phase="unmerged"):
            numbers.append(ReportNumber.of(title, "total unmerged", "bytes", before))
    return numbers


def scale(measured: Measured) -> list[ReportNumber]:
    """What one more costs: the slope of a line through all readings, with 95 % confidence, and what it says for a large host."""
    numbers = []
    for title in measured.titles:
        for what in ("instances", "functions"):
            line = fit(scale_points(measured, title, what))
            if line is None:
                continue
            count = len(scale_points(measured, title, what))
            numbers.append(
                ReportNumber(title, f"one more of {what}", "bytes", line.slope, line.slope_low, line.slope_high, count)
            )
            if what == "instances" and line.slope > 0:
                room = HOST - HOST_RESERVED - max(0.0, line.intercept)
                low = room / line.slope_high
                high = room / line.slope_low if line.slope_low > 0 else float(room)
                numbers.append(ReportNumber(title, "instances in 256 GiB", "instances", room / line.slope, low, high, count))
    return numbers


def scale_points(measured: Measured, title: str, what: str) -> list[tuple[float, float]]:
    """(number, bytes)."""
    measure = f"total by {what}"
    return [
        (float(reading.subject), reading.value)
        for part in measured.of(title)
        for reading in part.readings
        if reading.measure == measure
    ]


def peers(measured: Measured) -> list[ReportNumber]:
    """Memory of one, and p50 and p99 of its start; those that are not here are in the report's list of what is missing."""
    numbers = []
    for title in measured.titles:
        for subject in dict.fromkeys(reading.subject for part in measured.of(title) for reading in part.readings):
            for measure in ("memory each", "pss each"):
                if summary := measured.summary(title, measure, subject=subject):
                    numbers.append(ReportNumber.of(subject, measure, "bytes", summary))
            samples = measured.samples(title, "first answer", subject=subject)
            for percent in (50, 99) if samples else ():
                value = percentile(samples, percent)
                numbers.append(
                    ReportNumber(subject, f"first answer p{percent}", "ms", value, min(samples), max(samples), len(samples))
                )
    return numbers


def peers_missing(measured: Measured) -> dict[str, str]:
    """By peer, why it was not measured."""
    found = {}
    for part in measured.parts:
        for reading in part.readings:
            if reading.measure.startswith("skipped: "):
                found[reading.subject] = reading.measure.removeprefix("skipped: ")
    return found


def plain(measured: Measured) -> list[ReportNumber]:
    """Every reading by subject: growth and libraries."""
    return _plain(measured, measured.titles)


def _plain(measured: Measured, titles: Sequence[str], phase: str | None = None) -> list[ReportNumber]:
    numbers = []
    for title in titles:
        keys = dict.fromkeys(
            (reading.measure, reading.unit, reading.subject)
            for part in measured.of(title)
            for reading in part.readings
            if reading.phase != "curve" and phase in (None, reading.phase)
        )
        for measure, unit, subject in keys:
            if summary := measured.summary(title, measure, phase=phase, subject=subject):
                numbers.append(ReportNumber.of(title, measure, unit, summary, subject))
    return numbers


NUMBERS: dict[str, Callable[[Measured], list[ReportNumber]]] = {
    "memory": memory,
    "growth": plain,
    "tlb": tlb,
    "sizes": sizes,
    "speed": speed,
    "start": start,
    "libraries": plain,
    "deduplication": deduplication,
    "scale": scale,
    "peers": peers,
}
