"""Do the symbols of an image fit together? Checked before the linker runs, to name libraries instead of object files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from unishare.errors import BuildError
from unishare.toolchain.link import source_lines
from unishare.toolchain.objects.cache import UnitObject
from unishare.toolchain.objects.hints import Guesses, fewest, nearest_first

# Defined by every layout's linker script or by the image's own stub.
PROVIDED = frozenset(
    {
        "__init_array_start", "__init_array_end", "__fini_array_start", "__fini_array_end", "__preinit_array_start",
        "__preinit_array_end", "unishare_image_table", "_GLOBAL_OFFSET_TABLE_",
    }
)  # fmt: skip
SHOWN = 12


ENTRY = "the image's entry"

NO_GUESSES = Guesses()


def check(
    units: Sequence[UnitObject],
    entry: Iterable[str],
    allowed: Iterable[str],
    known: Iterable[UnitObject],
    guesses: Guesses = NO_GUESSES,
) -> None:
    """Refuse undefined and doubly defined symbols. `entry` are those that every image needs; `known` are libraries that could
    have been named as well, `guesses` knows of those that were not compiled; they are looked at only when a symbol is missing."""
    definers: dict[str, list[UnitObject]] = defaultdict(list)
    for unit in units:
        for symbol in unit.facts.strong:
            definers[symbol].append(unit)
    twice = {symbol: found for symbol, found in definers.items() if len(found) > 1}
    if twice:
        lines = [
            f"{symbol}: defined by {' and by '.join(_at(definer, source_lines.definition(definer, symbol)) for definer in found)}"
            for symbol, found in sorted(twice.items())[:SHOWN]
        ]
        raise BuildError(
            "symbols are defined twice:\n" + "\n".join(lines) + _more(len(twice)),
            "Leave one of these libraries out, or exclude the file that defines the symbol in its recipe.",
        )
    defined = set(definers) | PROVIDED | set(allowed) | {weak for unit in units for weak in unit.facts.weak}
    missing: dict[str, list[str]] = {symbol: [ENTRY] for symbol in entry if symbol not in defined}
    for unit in units:
        for symbol in unit.facts.undefined:
            if symbol not in defined:
                users = missing.setdefault(symbol, [])
                users.append(_at(unit, source_lines.first_use(unit, symbol) if len(missing) <= SHOWN else None))
    if missing:
        _refuse_undefined(missing, known, guesses)


def _refuse_undefined(missing: Mapping[str, Sequence[str]], known: Iterable[UnitObject], guesses: Guesses) -> None:
    providers: dict[str, set[str]] = defaultdict(set)
    for library in known:
        for symbol in missing.keys() & {*library.facts.strong, *library.facts.weak}:
            providers[symbol].add(library.name)
    lines = []
    for symbol, users in sorted(missing.items())[:SHOWN]:
        could = f"; {' or '.join(nearest_first(symbol, providers[symbol]))} could provide it" if symbol in providers else ""
        lines.append(f"undefined symbol {symbol}: needed by {', '.join(users)}{could}")
    named = fewest(providers)
    found = [f"Add to `libraries` (app) or `link.needs` (library): {', '.join(named)}."] if named else []
    others = [symbol for symbol in sorted(missing) if symbol not in providers][:SHOWN]
    found += [guess for guess in dict.fromkeys(map(guesses.for_symbol, others)) if guess is not None]
    raise BuildError(
        "\n".join(lines) + _more(len(missing)),
        " ".join(found)
        or "No library compiled in this home so far defines it. Is a source file missing in a recipe, or a library in `libraries`?",
    )


def _at(unit: UnitObject, place: str | None) -> str:
    return f"{unit.name} ({place})" if place else unit.name


def _more(count: int) -> str:
    return f"\n... and {count - SHOWN} more" if count > SHOWN else ""
