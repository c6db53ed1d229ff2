"""A library in isolation: does it link with what it names, and would its pages be the same in every image?

In: a recipe and a builder. Out: a `LibraryReport`. Compared with the libraries that the recipe needs, which are built too, and with those
of the catalogue that happen to be compiled already, which may or may not be in an image with it. Called by `unishare library check`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from unishare.errors import BadInputError, UnishareError
from unishare.formats import elf
from unishare.formats.elf import ElfFile
from unishare.formats.layouts import DEFAULT_LAYOUT, LayoutName
from unishare.formats.sections import Kind, kind_of
from unishare.inspect.library_findings import Effect, Finding, abridged, merged, own_findings
from unishare.toolchain.build import Builder
from unishare.toolchain.link.aslr.module import refuse_unplaceable
from unishare.toolchain.link.layouts import LAYOUTS
from unishare.toolchain.link.symbols import PROVIDED
from unishare.toolchain.objects.cache import UnitObject
from unishare.toolchain.recipes.catalog import Catalog
from unishare.toolchain.recipes.closure import needs_of
from unishare.toolchain.recipes.recipe import LibraryRecipe


class LibraryReport(BaseModel):
    """What `unishare library check` prints."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: str
    hash: str
    # The layout that it was compiled and judged for.
    layout: LayoutName
    windows: dict[str, int]
    # What it takes from the libraries that it needs: symbols by library.
    uses: dict[str, list[str]]
    # The libraries outside its needs that it was compared with.
    compared: list[str]
    findings: list[Finding]

    @property
    def clean(self) -> bool:
        """Whether nothing breaks linking or sharing."""
        return all(finding.effect is Effect.NOTE for finding in self.findings)


@dataclass(frozen=True)
class _Library:
    """A library beside the one that is checked."""

    unit: UnitObject
    weak_references: frozenset[str]
    needs: frozenset[str]

    @property
    def name(self) -> str:
        return self.unit.name

    @property
    def defined(self) -> set[str]:
        return {*self.unit.facts.strong, *self.unit.facts.weak}


def check(catalog: Catalog, builder: Builder, recipe: LibraryRecipe, layout_name: LayoutName = DEFAULT_LAYOUT) -> LibraryReport:
    """Build a library and what it needs as a layout's images hold them, and look for what breaks linking or sharing there."""
    layout = LAYOUTS[layout_name]
    needs = needs_of(catalog, recipe)
    built = builder.libraries(needs, layout)
    unit = builder.compiled(recipe, layout.variant)
    if unit is None:
        raise BadInputError(
            f"{recipe.file}: {recipe.name} has only headers: field `build.files` is empty", "There is no object to check."
        )
    parsed = ElfFile.read(unit.path)
    closure = [_library(catalog, dependency) for dependency in built.values() if dependency is not None]
    others = [_library(catalog, other) for other in builder.others({recipe.name, *built}, layout.variant)]
    around = _Surroundings(recipe, unit, _weak_references(parsed), closure, others)
    return LibraryReport(
        name=recipe.name,
        version=recipe.version,
        hash=unit.digest,
        layout=layout_name,
        windows=_sizes(unit, parsed),
        uses=around.uses(),
        compared=[library.name for library in others],
        findings=merged(_for_layout([*around.findings(), *own_findings(unit, parsed)], unit, layout_name)),
    )


def _sizes(unit: UnitObject, parsed: ElfFile) -> dict[str, int]:
    """Bytes by kind: of its windows, or under aslr, where there are none, of its sections."""
    if unit.facts.windows:
        return {kind.value: window.size for kind, window in unit.facts.windows.items()}
    found: Counter[str] = Counter()
    for section in parsed.sections:
        kind = kind_of(section.name)
        if section.size and isinstance(kind, Kind):
            found[kind.value] += section.size
    return {kind.value: found[kind] for kind in Kind if found[kind]}


def _for_layout(findings: Sequence[Finding], unit: UnitObject, layout: LayoutName) -> Iterator[Finding]:
    """What a finding means in a layout. Under aslr all that a library refers to elsewhere goes through its linkage table, which is each
    instance's own: no page depends on who answers, but the library must be able to lie at any page."""
    if layout != "aslr":
        yield from findings
        return
    for finding in findings:
        if finding.effect is Effect.SHARING and finding.kind != "got":
            yield finding.model_copy(update={"effect": Effect.NOTE, "detail": f"in fixed layouts: {finding.detail}"})
        elif finding.effect is not Effect.SHARING:
            yield finding
    try:
        refuse_unplaceable(unit.name, unit.path)
    except UnishareError as error:
        yield Finding(
            kind="position", effect=Effect.LINKING, subjects=(unit.name,), detail=error.message, remedy=error.hint or ""
        )


def _library(catalog: Catalog, unit: UnitObject) -> _Library:
    needs = frozenset(recipe.name for recipe in needs_of(catalog, catalog.library(unit.name)))
    return _Library(unit, _weak_references(ElfFile.read(unit.path)), needs)


def _weak_references(parsed: ElfFile) -> frozenset[str]:
    return frozenset(symbol.name for symbol in parsed.symbols() if not symbol.defined and symbol.binding == elf.STB_WEAK)


@dataclass(frozen=True)
class _Surroundings:
    """The checked library among others."""

    recipe: LibraryRecipe
    unit: UnitObject
    weak_references: frozenset[str]
    closure: Sequence[_Library]
    others: Sequence[_Library]

    def uses(self) -> dict[str, list[str]]:
        """Which needed library provides which undefined symbols."""
        wanted = {*self.unit.facts.undefined, *self.weak_references}
        found = {library.name: sorted(wanted & library.defined) for library in self.closure}
        return {name: symbols for name, symbols in found.items() if symbols}

    def findings(self) -> Iterator[Finding]:
        """What does not fit."""
        yield from self._undefined()
        yield from self._defined_twice()
        yield from self._weak_definitions()
        yield from self._weak_references()
        yield from self._overrides()

    def _undefined(self) -> Iterator[Finding]:
        provided = PROVIDED.union(*(library.defined for library in self.closure))
        left = set(self.recipe.link.allow_undefined)
        for symbol in self.unit.facts.undefined:
            if symbol in provided:
                continue
            if symbol.startswith(("__start_", "__stop_")):
                yield _collected(symbol)
            elif symbol in left:
                yield _left_to_the_app(symbol)
            else:
                yield _missing(symbol, self.recipe, [library for library in self.others if symbol in library.defined])

    def _defined_twice(self) -> Iterator[Finding]:
        own = set(self.unit.facts.strong)
        for library in [*self.closure, *self.others]:
            both = sorted(own & set(library.unit.facts.strong))
            if both:
                needed = library in self.closure
                yield Finding(
                    kind="duplicate",
                    effect=Effect.LINKING if needed else Effect.NOTE,
                    subjects=both,
                    detail=f"also defined by {library.name}"
                    + (", which this library needs" if needed else ": no image can hold both"),
                    remedy="Exclude the file that defines it (build.exclude), or rename it by a define (build.defines).",
                )

    def _weak_definitions(self) -> Iterator[Finding]:
        settled = set[str]().union(*(library.defined for library in self.closure))
        for symbol in self.unit.facts.weak:
            if symbol in settled:
                continue
            rivals = [library.name for library in self.others if self._may_replace(library, symbol)]
            yield Finding(
                kind="weak-definition",
                effect=Effect.SHARING if rivals else Effect.NOTE,
                subjects=[symbol],
                detail=f"{abridged(rivals)} would take its place in some images, so pages that refer to it differ"
                if rivals
                else "an app that defines it too, and not weakly, has other pages where this library refers to it",
                remedy=f"Add {rivals[0]} to link.needs, or exclude one of the definitions."
                if rivals
                else "Leave it, if apps do not define it.",
            )

    def _may_replace(self, library: _Library, symbol: str) -> bool:
        """Whether another definition wins in images that hold both: a strong one does, a weak one if it is linked before."""
        weak = symbol in library.unit.facts.weak and self.recipe.name not in library.needs
        return weak or symbol in library.unit.facts.strong

    def _weak_references(self) -> Iterator[Finding]:
        settled = PROVIDED.union(self.unit.facts.strong, self.unit.facts.weak, *(library.defined for library in self.closure))
        for symbol in sorted(self.weak_references - settled):
            providers = [library.name for library in self.others if symbol in library.defined]
            yield Finding(
                kind="weak-reference",
                effect=Effect.SHARING if providers else Effect.NOTE,
                subjects=[symbol],
                detail=f"the address in images with {abridged(providers)}, 0 in others"
                if providers
                else "0 unless an app defines it",
                remedy=f"Add {providers[0]} to link.needs, or define the use away."
                if providers
                else "Leave it, if apps do not define it.",
            )

    def _overrides(self) -> Iterator[Finding]:
        for library in [*self.closure, *self.others]:
            taken = {*self.unit.facts.strong} & {*library.unit.facts.weak} | self._settles_for(library)
            if taken and self.recipe.name not in library.needs:
                yield Finding(
                    kind="override",
                    effect=Effect.SHARING,
                    subjects=sorted(taken),
                    detail=f"changes what {library.name} refers to in images that hold both: its pages differ from other images'",
                    remedy=f"Add {self.recipe.name} to the needs of {library.name}, or exclude one of the definitions.",
                )

    def _settles_for(self, library: _Library) -> set[str]:
        """The weak references of another library that nothing it needs settles, but this one would."""
        needed = [
            candidate for candidate in [*self.closure, *self.others] if candidate.name in library.needs or candidate is library
        ]
        settled = set[str]().union(*(candidate.defined for candidate in needed))
        return {*library.weak_references} & {*self.unit.facts.strong, *self.unit.facts.weak} - settled


def _missing(symbol: str, recipe: LibraryRecipe, providers: Sequence[_Library]) -> Finding:
    """No library that the recipe needs has it. One that stands on the checked library itself cannot be named by it: a C library
    and the platform below it use each other, and are in every image together because an app names the upper one."""
    above = [provider.name for provider in providers if recipe.name in provider.needs]
    beside = [provider.name for provider in providers if recipe.name not in provider.needs]
    if above:
        effect, detail = Effect.NOTE, f"provided by {above[0]}, which stands on this library"
        remedy = f"Use this library only in images with {above[0]}."
    elif beside:
        effect, detail = Effect.LINKING, f"{abridged(beside)} could provide it"
        remedy = f"Add {beside[0]} to link.needs in {recipe.file.name}."
    else:
        effect, detail = Effect.LINKING, "no needed library and no library compiled so far provides it"
        remedy = "Add the file that defines it to build.files, the library that does to link.needs, or define its use away."
    return Finding(kind="undefined", effect=effect, subjects=[symbol], detail=detail, remedy=remedy)


def _left_to_the_app(symbol: str) -> Finding:
    return Finding(
        kind="undefined",
        effect=Effect.SHARING,
        subjects=[symbol],
        detail="left to the app: it has another address in each, so pages that refer to it differ",
        remedy="Let the app hand over a pointer in a call, which the library keeps in its data.",
    )


def _collected(symbol: str) -> Finding:
    return Finding(
        kind="identifier-section",
        effect=Effect.LINKING,
        subjects=[symbol],
        detail="the border of a section that the linker collects from all objects of an image; libraries keep their own",
        remedy="Let the library keep a list of its own instead, in ordinary data.",
    )
