"""Does an image agree with the global map? For `unishare map --check` and the tests."""

from __future__ import annotations

import json
from pathlib import Path

from unishare.toolchain.elf import ElfFile
from unishare.toolchain.global_map import MapState
from unishare.toolchain.image import ELF_NAME, JSON_NAME, ImageFacts
from unishare.toolchain.sections import Kind


def differences(folder: Path, state: MapState) -> list[str]:
    """One line for each library section that is not where a generation of the map has it; an image uses one generation."""
    facts = ImageFacts.model_validate(json.loads((folder / JSON_NAME).read_text(encoding="utf-8")))
    sections = {section.name: section for section in ElfFile.read(folder / ELF_NAME).sections}
    best: list[str] | None = None
    for generation in sorted({entry.generation for entry in state.entries}, reverse=True):
        windows = {entry.digest: entry.windows for entry in state.entries if entry.generation == generation}
        found = []
        for library in facts.libraries:
            for kind in Kind:
                section = sections.get(f".{kind}.{library.name}")
                window = windows.get(library.hash, {}).get(kind)
                if section is None or section.size == 0:
                    continue
                if window is None:
                    found.append(f"{section.name}: the map has no window for version {library.hash[:12]}")
                elif (section.address, section.size) != (window.address, window.size):
                    found.append(
                        f"{section.name}: {section.size:#x} bytes at {section.address:#x}, but the map says {window.size:#x} at {window.address:#x}"
                    )
        if best is None or len(found) < len(best):
            best = found
    return best if best is not None else ["the map is empty"]
