"""What each library saves: pages that instances map of it, and pages that the pool holds for them. Read from manifests; nothing runs."""

from __future__ import annotations

from collections import Counter, defaultdict

from unishare.evaluation.run.context import Task
from unishare.evaluation.run.samples import Reading
from unishare.formats.addresses import PAGE
from unishare.formats.manifest import Manifest
from unishare.inspect.sharing import Page, pages_of

OWN = "(the function)"


async def measure(task: Task) -> list[Reading]:
    """One instance of each of the functions."""
    mapped: Counter[str] = Counter()
    users: Counter[str] = Counter()
    stored: dict[str, set[Page]] = defaultdict(set)
    for function in task.functions():
        manifest = Manifest.read(function.image.manifest)
        of_image: dict[str, list[Page]] = defaultdict(list)
        for extent in manifest.extents:
            library = extent.library or (
                manifest.modules[extent.module].name if manifest.modules and extent.module is not None else OWN
            )
            of_image[OWN if library in ("app", manifest.name) else library] += pages_of(extent)
        for library, pages in of_image.items():
            mapped[library] += len(pages)
            users[library] += 1
            stored[library].update(pages)
    readings = []
    for library in sorted(mapped):
        saved = (mapped[library] - len(stored[library])) * PAGE
        readings.append(Reading("images", "", users[library], subject=library))
        readings.append(Reading("mapped", "bytes", mapped[library] * PAGE, subject=library))
        readings.append(Reading("stored", "bytes", len(stored[library]) * PAGE, subject=library))
        readings.append(Reading("saved", "bytes", saved, subject=library))
    return readings
