"""Does an image agree with the global map? For `unishare map --check` and the tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unishare.errors import BadInputError
from unishare.formats.elf import ElfFile, Section
from unishare.formats.image import ELF_NAME, ImageFacts, PlacedModule, read_facts
from unishare.formats.sections import Kind
from unishare.toolchain.map.frame_space import FrameKind
from unishare.toolchain.map.global_map import MapState, Windows


@dataclass(frozen=True)
class Agreement:
    """The generation that an image fits best, and one line for each library section that is not where that one has it."""

    generation: int
    differences: list[str]


def agreement(folder: Path, state: MapState) -> Agreement:
    """Compare; an image of fixed addresses uses one generation, so each is tried, the newest first."""
    facts = read_facts(folder)
    if facts.modules is not None:
        return Agreement(state.generation, list(_frame_differences(facts.modules[1:], state)))
    if facts.layout != "aligned":
        raise BadInputError(
            f"{facts.name} is linked as {facts.layout}, which uses no addresses of the map",
            "Check an aligned or an aslr image.",
        )
    sections = {section.name: section for section in ElfFile.read(folder / ELF_NAME).sections}
    if not state.entries:
        raise BadInputError("the global map is empty", f"Build the image again: unishare build {facts.name}")
    tried = []
    for generation in sorted({entry.generation for entry in state.entries}, reverse=True):
        windows = {entry.digest: entry.windows for entry in state.entries if entry.generation == generation}
        tried.append(Agreement(generation, list(_differences(facts, sections, windows))))
    return min(tried, key=lambda candidate: len(candidate.differences))


def _differences(facts: ImageFacts, sections: Mapping[str, Section], windows: Mapping[str, Windows]) -> Iterator[str]:
    for library in facts.libraries:
        for kind in Kind:
            section = sections.get(f".{kind}.{library.name}")
            window = windows.get(library.hash, {}).get(kind)
            if section is None or section.size == 0:
                continue
            if window is None:
                yield f"{section.name}: the map has no window for version {library.hash[:12]}"
            elif (section.address, section.size) != (window.address, window.size):
                yield (
                    f"{section.name}: {section.size:#x} bytes at {section.address:#x}, "
                    f"but the map says {window.size:#x} at {window.address:#x}"
                )


def _frame_differences(modules: Sequence[PlacedModule], state: MapState) -> Iterator[str]:
    for module in modules:
        entry = state.frames.get(module.hash)
        if entry is None:
            yield f"{module.name}: the map has no places in frames for version {module.hash[:12]}"
            continue
        for kind, said in ((FrameKind.LINKAGE, module.linkage), (FrameKind.WRITABLE, module.writable)):
            place = entry.windows[kind].address if kind in entry.windows else None
            if said != place:
                yield f"{module.name}: its {kind} is at {_hex(said)} of the frames, but the map says {_hex(place)}"


def _hex(place: int | None) -> str:
    return "no place" if place is None else hex(place)
