"""What compilations really read: the compiler's and the assembler's own dependency files, as names that depend on no machine.

A compilation's key covers whole folders; what a source reads from elsewhere (`#include "../common/x.inc"`, `.incbin`) is noted here,
and is part of the key the next time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from unishare.toolchain.objects.compilation import Unit
from unishare.toolchain.tools.digests import Digests

# A rule of make: names end at a space that is not escaped; lines go on after a backslash.
_NAME = re.compile(r"(?:\\.|[^\\\s])+")


def parse_rule(text: str) -> list[str]:
    """The prerequisites of a dependency file of GCC or GNU as."""
    _, _, prerequisites = text.replace("\\\n", " ").partition(": ")
    return [re.sub(r"\\(.)", r"\1", name).replace("$$", "$") for name in _NAME.findall(prerequisites.split("\n")[0])]


def uncovered(unit: Unit, names: Iterable[str]) -> list[Path]:
    """Those files that the digests of the unit's folders say nothing of."""
    covered = [root.resolve() for root in unit.covered]
    found = {(unit.root / name).absolute() for name in names}
    return sorted(path for path in found if not any(_is_visible_below(path.resolve(), root) for root in covered))


def stable_names(unit: Unit, paths: Sequence[Path]) -> list[str]:
    """Paths without a machine's folders."""
    prefixes = sorted(unit.prefixes, key=lambda pair: -len(pair[0]))
    names = []
    for path in paths:
        text = str(path)
        fitting = next(((place, name) for place, name in prefixes if text.startswith(f"{place}/")), ("", ""))
        names.append(fitting[1] + text.removeprefix(fitting[0]))
    return names


def digests_of(unit: Unit, names: Sequence[str], digests: Digests) -> list[tuple[str, str]]:
    """What named files hold now; nothing for one that is gone."""
    found = []
    for name in names:
        places = [place + name.removeprefix(prefix) for place, prefix in unit.prefixes if name.startswith(f"{prefix}/")]
        path = next((Path(place) for place in places if Path(place).is_file()), Path(name))
        found.append((name, digests.file(path) if path.is_file() else ""))
    return found


def _is_visible_below(path: Path, root: Path) -> bool:
    """Whether a digest of a folder counts a file: hidden ones are left out there."""
    return path.is_relative_to(root) and not any(part.startswith(".") for part in path.relative_to(root).parts)
