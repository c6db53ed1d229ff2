"""The global map: one append-only file that gives every library version its windows, the same in every image.

Lines of text, `#` comments:

    unishare-map 1
    generation 1
    library zlib 1.2.13 <sha256 of the object> text=0x20000000+0xb2f0:16 rodata=0x20200000+0x4ac0:32

A window is `address+size:alignment`. Reading replays every line through `zones`, so a damaged or hand-edited map is noticed at once.
When the 1.5 GiB of addresses are used up, a new generation begins: everything is placed anew for images linked from then on;
images of an older generation keep their addresses and run on. The file is only written under a lock, by appending whole
lines and syncing; half a last line (a crash) is dropped by the next writer.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock

from unishare.errors import BadInputError, BuildError
from unishare.toolchain.objects import UnitObject
from unishare.toolchain.sections import Kind
from unishare.toolchain.zones import Full, Window, Zones

HEADER = "unishare-map 1"
_WINDOW = re.compile(r"(text|rodata|data|bss)=(0x[0-9a-f]{1,16})\+(0x[0-9a-f]{1,16}):(\d{1,9})")
_GENERATION = re.compile(r"generation (\d{1,9})")
_HINT = "The map is append-only and not edited by hand: restore it, or remove it and the pool and build everything again."

Windows = Mapping[Kind, Window]


@dataclass(frozen=True)
class Entry:
    """One library version's windows in one generation."""

    generation: int
    name: str
    version: str
    digest: str
    windows: Windows


@dataclass
class MapState:
    """The map as read: entries of every generation, and where the newest one goes on."""

    entries: list[Entry] = field(default_factory=list)
    generation: int = 1
    zones: Zones = field(default_factory=Zones)
    current: dict[str, Entry] = field(default_factory=dict)

    def start_generation(self, number: int) -> None:
        """Forget the present windows and begin with empty zones."""
        self.generation, self.zones, self.current = number, Zones(), {}

    def add(self, entry: Entry) -> None:
        """Note an entry whose windows were taken from `zones`."""
        self.entries.append(entry)
        self.current[entry.digest] = entry


class GlobalMap:
    """The map of one home."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._state = MapState()
        self._read_to = 0

    def state(self) -> MapState:
        """The map's present content, read from where the last call ended."""
        if self._file.exists():
            self._catch_up()
        return self._state

    def windows(self, libraries: Sequence[UnitObject]) -> dict[str, Windows]:
        """The windows of libraries, by digest, all of one generation; new ones are allocated in the order given."""
        state = self.state()
        if any(one.digest not in state.current for one in libraries):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self._file.with_suffix(".lock")):
                self._drop_half_line()
                state = self.state()
                missing = [one for one in libraries if one.digest not in state.current]
                self._append(self._allocate(missing, libraries))
        return {one.digest: self._state.current[one.digest].windows for one in libraries}

    def _allocate(self, missing: Sequence[UnitObject], all_of_image: Sequence[UnitObject]) -> list[str]:
        """Place libraries; the lines to append."""
        lines = [] if self._read_to else [HEADER, "generation 1"]
        try:
            return lines + [_line(self._place(one)) for one in missing]
        except Full:
            self._state = _replay_file(self._file)
            self._state.start_generation(self._state.generation + 1)
        try:
            placed = [_line(self._place(one)) for one in all_of_image]
        except Full:
            self._state, self._read_to = MapState(), 0
            raise BuildError(
                "the libraries of one image do not fit into the 1.5 GiB of library addresses",
                "Leave libraries out of the app, or make them smaller.",
            ) from None
        return [*lines[:1], f"generation {self._state.generation}", *placed]

    def _place(self, library: UnitObject) -> Entry:
        windows = {
            kind: self._state.zones.allocate(kind, size.size, size.alignment) for kind, size in library.facts.windows.items()
        }
        entry = Entry(self._state.generation, library.name, library.version, library.digest, windows)
        self._state.add(entry)
        return entry

    def _append(self, lines: Iterable[str]) -> None:
        data = "".join(f"{line}\n" for line in lines).encode()
        with self._file.open("ab") as file:  # which writes all or raises, also when a disk is nearly full
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        self._read_to += len(data)

    def _catch_up(self) -> None:
        with self._file.open("rb") as file:
            file.seek(self._read_to)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        _replay(self._file, self._state, whole, self._read_to)
        self._read_to += len(whole)

    def _drop_half_line(self) -> None:
        if not self._file.exists():
            return
        data = self._file.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(self._file, whole)


def _line(entry: Entry) -> str:
    windows = (f"{kind}={one.address:#x}+{one.size:#x}:{one.alignment}" for kind, one in entry.windows.items())
    return " ".join(["library", entry.name, entry.version, entry.digest, *windows])


def _replay_file(file: Path) -> MapState:
    state = MapState()
    if file.exists():
        data = file.read_bytes()
        _replay(file, state, data[: data.rfind(b"\n") + 1], 0)
    return state


def _replay(file: Path, state: MapState, data: bytes, offset: int) -> None:
    """Apply lines to a state; any contradiction is a `BadInputError` with its place."""
    try:
        lines = data.decode("ascii").splitlines()
    except UnicodeDecodeError:
        raise BadInputError(f"{file}: the global map holds bytes that are not text", _HINT) from None
    for number, line in enumerate(lines, 1):
        where = f"{file}: line {number}" if offset == 0 else f"{file}: line {number} after byte {offset}"
        if number == 1 and offset == 0:
            if line != HEADER:
                raise BadInputError(f"{where}: {line!r} is not {HEADER!r}: not a global map of this version", _HINT)
        elif line.strip() and not line.startswith("#"):
            _replay_line(where, state, line.split())


def _replay_line(where: str, state: MapState, words: list[str]) -> None:
    if generation := _GENERATION.fullmatch(" ".join(words)):
        if int(generation[1]) not in (state.generation, state.generation + 1):
            raise BadInputError(f"{where}: generation {generation[1]} does not follow {state.generation}", _HINT)
        state.start_generation(int(generation[1]))
        return
    found = [_WINDOW.fullmatch(word) for word in words[4:]]
    if words[0] != "library" or len(words) < 4 or not re.fullmatch(r"[0-9a-f]{64}", words[3]) or None in found:
        raise BadInputError(f"{where}: {' '.join(words)[:80]!r} is not a record of the global map", _HINT)
    windows = {}
    for match in found:
        assert match is not None
        kind, address, size, alignment = Kind(match[1]), int(match[2], 16), int(match[3], 16), int(match[4])
        if kind in windows or alignment.bit_count() != 1:
            raise BadInputError(f"{where}: {words[1]}'s {kind} is there twice, or its alignment is no power of two", _HINT)
        try:
            window = state.zones.allocate(kind, size, alignment)
        except Full:
            raise BadInputError(f"{where}: {words[1]}'s {kind} lies beyond the library addresses", _HINT) from None
        if window.address != address:
            raise BadInputError(f"{where}: {words[1]}'s {kind} is at {address:#x}, but belongs at {window.address:#x}", _HINT)
        windows[kind] = window
    state.add(Entry(state.generation, words[1], words[2], words[3], windows))
