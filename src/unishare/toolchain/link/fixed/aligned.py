"""Layout `aligned`: each library at its windows of the global map, one output section a window.

One PT_LOAD a window keeps the holes between windows out of the file. Writable windows that touch in a page share one: packed
libraries' data lie 64 bytes apart, a mapping cannot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from unishare.formats.addresses import PAGE, round_up
from unishare.formats.sections import Kind
from unishare.toolchain.link.contents import (
    LibraryPart,
    LinkContents,
    app_sections,
    app_segments,
    discarded,
    input_sections,
    segments,
)
from unishare.toolchain.map.zones import Window

_FLAGS = {Kind.TEXT: 5, Kind.RODATA: 4, Kind.DATA: 6, Kind.BSS: 6}


def script(contents: LinkContents) -> str:
    """Libraries at the same absolute addresses in all images."""
    placed = sorted(_placed(contents.libraries), key=lambda placement: placement.window.address)
    headers = app_segments(contents)
    body = app_sections(contents, contents.app_objects)
    for number, group in enumerate(_groups(placed)):
        segment = f"w{number}"
        headers.append((segment, f"PT_LOAD FLAGS({_FLAGS[group[0].kind]})"))
        body += [_section(placement, segment) for placement in group]
    return "\n".join(["ENTRY(unishare_entry)", segments(headers), "SECTIONS {", *body, discarded(), "}", ""])


@dataclass(frozen=True)
class _Placed:
    """One window of one library."""

    library: LibraryPart
    kind: Kind
    window: Window


def _placed(libraries: Iterable[LibraryPart]) -> Iterator[_Placed]:
    for library in libraries:
        for kind, window in library.windows.items():
            yield _Placed(library, kind, window)


def _groups(placed: Iterable[_Placed]) -> list[list[_Placed]]:
    """Windows that one segment holds: neighbours of a writable kind whose pages touch; every other window alone."""
    groups: list[list[_Placed]] = []
    for placement in placed:
        last = groups[-1][-1] if groups else None
        joined = (
            last is not None
            and last.kind is placement.kind
            and placement.kind in (Kind.DATA, Kind.BSS)
            and placement.window.address <= round_up(last.window.end, PAGE)
        )
        if joined:
            groups[-1].append(placement)
        else:
            groups.append([placement])
    return groups


def _section(placement: _Placed, segment: str) -> str:
    """An output section at a window's address. Its end is checked: a library that grew would run into its neighbour."""
    name = f".{placement.kind}.{placement.library.name}"
    end = placement.window.end
    return (
        f"{name} {placement.window.address:#x} : {{ {input_sections([placement.library.object], placement.kind)} }} :{segment}\n"
        f'ASSERT(. <= {end:#x}, "unishare: {name} is larger than its window")'
    )
