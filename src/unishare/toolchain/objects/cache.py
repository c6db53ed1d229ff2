"""Relocatable objects: everything of one library, or of one app, compiled and combined into one file, cached by content.

Out: `objects/<2 hex>/<key>/unit.o` and `unit.json` beside it, which holds what later steps ask: digest, symbols, window sizes.
The key covers the compiler, the flags, the sources, every header folder on the include path, and the files outside of those that the
last compilation read (`reads.json` under the key without them), so an entry never goes stale. An entry checks itself: `unit.json` has
the digest of `unit.o`, and one that is damaged is compiled again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from pydantic import ValidationError

from unishare.errors import BuildError
from unishare.state import mark_used, read_record, replace_file, replace_folder, write_record
from unishare.toolchain.objects.combine import combine
from unishare.toolchain.objects.compilation import OBJECT, Compiled, Unit, submit
from unishare.toolchain.objects.facts import FACTS_VERSION, UnitFacts, WindowSize, facts_of
from unishare.toolchain.objects.function_order import ORDER_FORMAT
from unishare.toolchain.objects.reads import digests_of, parse_rule, stable_names, uncovered
from unishare.toolchain.tools.commands import Tools
from unishare.toolchain.tools.compiler import HOUSE_FLAGS, LANGUAGE_FLAGS, VARIANT_FLAGS, Compiler, Variant
from unishare.toolchain.tools.digests import Digests, of_value
from unishare.unfinished import unfinished_folder

__all__ = ["ObjectCache", "UnitFacts", "UnitObject", "WindowSize"]

FORMAT = 7
# Raised when what is done with objects that were compiled elsewhere changes.
COMBINE_FORMAT = 1
# How often a compilation is tried whose sources are written to meanwhile; and how coarse a file system's clock may be.
TRIES = 3
CLOCK_STEP_NS = 5_000_000
# Told of what the compiler says though a file compiles.
Warn = Callable[[Unit, str], None]


@dataclass(frozen=True)
class UnitObject:
    """A combined object in the cache."""

    name: str
    version: str
    path: Path
    facts: UnitFacts

    @property
    def digest(self) -> str:
        """The SHA-256 of the object: the identity of this library version."""
        return self.facts.digest


class ObjectCache:
    """The combined objects of one home."""

    def __init__(self, folder: Path, compiler: Compiler, tools: Tools, digests: Digests, warn: Warn = lambda *_: None) -> None:
        self._folder = folder
        self._warn = warn
        self._compiler = compiler
        self._tools = tools
        self._digests = digests

    def key(self, unit: Unit, variant: Variant, inputs: Sequence[str]) -> str:
        """The name of a unit's cache entry; `inputs` are digests of the folders it is compiled from."""
        flags = [*HOUSE_FLAGS, *LANGUAGE_FLAGS[unit.language], *VARIANT_FLAGS[variant], *_without_paths(unit)]
        foreign = [COMBINE_FORMAT] if any(file.endswith(OBJECT) for file in unit.files) else []
        order = [[ORDER_FORMAT, *unit.order]] if unit.order else []
        parts = [self._compiler.identity, unit.owner, unit.language, flags, unit.files, list(inputs)]
        return of_value([FORMAT, *parts, *foreign, *order])

    def get(
        self,
        unit: Unit,
        version: str,
        variant: Variant,
        inputs: Sequence[str],
        pool: Executor,
        prepare: Callable[[], None] = lambda: None,
    ) -> UnitObject:
        """A unit's object: from the cache, or compiled now, after `prepare`."""
        key = self.key(unit, variant, inputs)
        found = self._find(unit, version, variant, key)
        if found is None:
            base = self._entry(key)
            base.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(base.parent / f"{key}.lock"):
                found = self._find(unit, version, variant, key)
                if found is None:
                    prepare()
                    found = self._make(unit, version, variant, key, pool)
        mark_used(self._entry(key))
        mark_used(found.path.parent)
        for warnings in found.facts.warnings:  # with each build, until they are mended
            self._warn(unit, warnings)
        return found

    def cached(self, unit: Unit, version: str, variant: Variant, inputs: Sequence[str]) -> UnitObject | None:
        """A unit's object if it was compiled before."""
        return self._find(unit, version, variant, self.key(unit, variant, inputs))

    def _entry(self, key: str) -> Path:
        return self._folder / key[:2] / key

    def _entry_for(self, unit: Unit, key: str, reads: Sequence[str]) -> Path:
        """The entry of a key with what the files outside its folders hold now."""
        return self._entry(of_value([key, digests_of(unit, reads, self._digests)]) if reads else key)

    def _find(self, unit: Unit, version: str, variant: Variant, key: str) -> UnitObject | None:
        """A whole entry; None when there is none."""
        record = read_record(self._entry(key) / "reads.json")
        entry = self._entry_for(unit, key, json.loads(record) if record is not None else [])
        try:
            facts = UnitFacts.model_validate_json((entry / "unit.json").read_bytes())
            if self._digests.file(entry / "unit.o") != facts.digest:
                return None
        except (OSError, ValidationError):
            return None
        if facts.version != FACTS_VERSION:
            with unfinished_folder(self._folder) as work:
                known = facts.warnings
                facts = facts_of(unit, variant, entry / "unit.o", self._compiler, self._tools, work)
                facts = facts.model_copy(update={"warnings": known})
            replace_file(entry / "unit.json", facts.model_dump_json().encode())
        return UnitObject(unit.owner, version, entry / "unit.o", facts)

    def _make(self, unit: Unit, version: str, variant: Variant, key: str, pool: Executor) -> UnitObject:
        base = self._entry(key)
        with unfinished_folder(base.parent) as work:
            fresh = work / "entry"
            fresh.mkdir()
            compiled, reads = self._compile(unit, variant, pool, work)
            objects = [str(compilation.object) for compilation in compiled]
            combine(unit, variant, objects, fresh / "unit.o", self._compiler, self._tools, work)
            facts = facts_of(unit, variant, fresh / "unit.o", self._compiler, self._tools, work)
            warnings = dict.fromkeys(compilation.warnings for compilation in compiled if compilation.warnings)
            facts = facts.model_copy(update={"warnings": list(warnings)})
            (fresh / "unit.json").write_text(facts.model_dump_json())
            names = stable_names(unit, reads)
            entry = self._entry_for(unit, key, names)
            entry.parent.mkdir(exist_ok=True)
            replace_folder(fresh, entry)
            if names or (base / "reads.json").exists():
                base.mkdir(exist_ok=True)
                write_record(base / "reads.json", json.dumps(names).encode())
        return UnitObject(unit.owner, version, entry / "unit.o", facts)

    def _compile(self, unit: Unit, variant: Variant, pool: Executor, work: Path) -> tuple[list[Compiled], list[Path]]:
        """Compile every file; what came of it, and the files read that the key does not cover. Again, if one was written to meanwhile."""
        for _ in range(TRIES):
            start = time.time_ns() - CLOCK_STEP_NS
            jobs = submit(unit, variant, self._compiler, self._tools, pool, work)
            try:
                compiled = [job.result() for job in jobs]
            finally:
                for job in jobs:
                    job.cancel()
            names = {name for rule in sorted(work.glob("*.d")) for name in parse_rule(rule.read_text(errors="surrogateescape"))}
            paths = uncovered(unit, names)
            watched = [*paths, *(unit.root / file for file in unit.files)]
            changed = [path for path in watched if path.is_file() and path.stat().st_mtime_ns > start]
            if not changed:
                return compiled, paths
        raise BuildError(f"{unit.owner}: {changed[0]} was changed while it was compiled", "Build again when it is at rest.")


def _without_paths(unit: Unit) -> list[str]:
    """The flags with folders replaced by their stable names."""
    flags = list(unit.flags)
    for path, name in sorted(unit.prefixes, key=lambda pair: -len(pair[0])):
        flags = [flag.replace(path, name) for flag in flags]
    return flags
