"""The global map: one append-only file that gives every library version its windows, the same in every image.

Lines of text, `#` comments:

    unishare-map 3
    generation 1
    library zlib 1.2.13 <sha256 of the object> text=0x20000000+0xb2f0:16 rodata=0x20200000+0x4ac0:32
    frames zlib 1.2.13 <sha256 of the object> linkage=0x1f0+0xe8:16 writable=0x340+0x20:32
    forget zlib 1.2.13 <sha256 of the object>

`library` lines give addresses, for fixed layouts; `frames` lines give places in the frames that libraries share under the layout
aslr (frame_space.py): these have no generations, for nothing is ever used up; `forget` gives a version's places to those that come later. A window is `address+size:alignment`. Reading replays
every line through `zones`, so a damaged or hand-edited map is noticed at once. When the addresses of `zones` are used up, a new
generation begins: everything is placed anew for images linked from then on;
images of an older generation keep their addresses and run on. The file is only written under a lock, by appending whole
lines and syncing; half a last line (a crash) is dropped by the next writer, and lines that went missing are told by the seal
beside it (seal.py). The number in the first line rises with the rules of
`zones`, for lines are only understood by the rules they were written under: a map that began under the rules of 2 goes on by them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from filelock import FileLock

from unishare.errors import BadInputError, BuildError
from unishare.formats.sections import Kind
from unishare.state import make_folder, sync_folder
from unishare.toolchain.map.frame_space import FrameKind, FrameSpace, FrameWindows
from unishare.toolchain.map.seal import Seal, read_seal, refuse_broken, remove_seal, write_seal
from unishare.toolchain.map.zones import SEPARATE, Full, Lengths, Window, Zones
from unishare.toolchain.objects.cache import UnitObject, WindowSize

HEADER = "unishare-map 3"
# What maps of before begin with, and how their zones are filled.
EARLIER = {"unishare-map 2": SEPARATE}
_WINDOW = re.compile(r"([a-z]+)=(0x[0-9a-f]{1,16})\+(0x[0-9a-f]{1,16}):(\d{1,9})")
_GENERATION = re.compile(r"generation (\d{1,9})")
_KINDS: dict[str, list[str]] = {
    "library": [kind.value for kind in Kind],
    "frames": [kind.value for kind in FrameKind],
    "forget": [],
}
_DIGEST = re.compile(r"[0-9a-f]{64}")
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


@dataclass(frozen=True)
class FrameEntry:
    """One library version's places in frames."""

    name: str
    version: str
    digest: str
    windows: FrameWindows


@dataclass
class MapState:
    """The map as read: entries of every generation, and where the newest one goes on. `empty` makes a generation's first zones."""

    empty: Callable[[], Zones] = Zones
    entries: list[Entry] = field(default_factory=list)
    generation: int = 1
    current: dict[str, Entry] = field(default_factory=dict)
    frame_space: FrameSpace = field(default_factory=FrameSpace)
    frames: dict[str, FrameEntry] = field(default_factory=dict)
    lengths: Lengths | None = None

    def __post_init__(self) -> None:
        self.zones = self._first_zones()

    def follow(self, lengths: Lengths) -> None:
        """Fill zones by the rules of an earlier map. Before anything is added."""
        self.lengths = lengths
        self.zones = self._first_zones()

    def start_generation(self, number: int) -> None:
        """Forget the present windows and begin with empty zones."""
        self.generation, self.zones, self.current = number, self._first_zones(), {}

    def _first_zones(self) -> Zones:
        zones = self.empty()
        return zones if self.lengths is None else replace(zones, lengths=self.lengths)

    def forget(self, digest: str) -> None:
        """Free a library version's places in frames."""
        for kind, window in self.frames.pop(digest).windows.items():
            self.frame_space.free(kind, window)

    def add(self, entry: Entry) -> None:
        """Note an entry whose windows were taken from `zones`."""
        self.entries.append(entry)
        self.current[entry.digest] = entry


class GlobalMap:
    """The map of one home. Other addresses, or another way to place, are other `zones`; a file is always read with the same."""

    def __init__(self, file: Path, zones: Callable[[], Zones] = Zones) -> None:
        self._file = file
        self._zones = zones
        self._state = MapState(zones)
        # The end of the lines that the state stands for.
        self._end = Seal()

    def state(self) -> MapState:
        """The map's present content, read from where the last call ended."""
        if self._file.exists():
            self._catch_up()
        return self._state

    def windows(self, libraries: Sequence[UnitObject]) -> dict[str, Windows]:
        """The windows of libraries, by digest, all of one generation; new ones are allocated in the order given."""
        state = self.state()
        if any(library.digest not in state.current for library in libraries):
            with self._writing() as state:
                missing = [library for library in libraries if library.digest not in state.current]
                self._append(self._allocate(missing, libraries))
        return {library.digest: self._state.current[library.digest].windows for library in libraries}

    def frames(self, libraries: Sequence[tuple[UnitObject, Mapping[FrameKind, WindowSize]]]) -> dict[str, FrameWindows]:
        """The places of libraries in shared frames, by digest; new ones are allocated in the order given."""
        state = self.state()
        if any(unit.digest not in state.frames for unit, _ in libraries):
            with self._writing() as state:
                lines = self._first_lines()
                for library, sizes in libraries:
                    if library.digest not in state.frames:
                        windows = {
                            kind: state.frame_space.allocate(kind, size.size, size.alignment) for kind, size in sizes.items()
                        }
                        state.frames[library.digest] = FrameEntry(library.name, library.version, library.digest, windows)
                        lines.append(_line("frames", library.name, library.version, library.digest, windows))
                self._append(lines)
        return {unit.digest: self._state.frames[unit.digest].windows for unit, _ in libraries}

    def unused(self, needed: Container[str]) -> list[FrameEntry]:
        """The library versions with places in frames that are not among the digests `needed`."""
        return [entry for digest, entry in self.state().frames.items() if digest not in needed]

    def forget(self, needed: Container[str]) -> list[FrameEntry]:
        """Give the places of the `unused` to libraries that come later; who they were. All others keep theirs."""
        if not self.unused(needed):
            return []
        with self._writing() as state:
            gone = [entry for digest, entry in state.frames.items() if digest not in needed]
            for entry in gone:
                state.forget(entry.digest)
            self._append(_line("forget", entry.name, entry.version, entry.digest, {}) for entry in gone)
        return gone

    @contextmanager
    def _writing(self) -> Iterator[MapState]:
        """The map's content with nobody else writing, and whole lines only in the file."""
        make_folder(self._file.parent)
        with FileLock(self._file.with_suffix(".lock")):
            state = self.state()
            self._drop_half_line()
            try:
                yield state
            except BaseException:
                # What was placed and not written is given to nobody: the next caller reads the file again.
                self._state, self._end = MapState(self._zones), Seal()
                raise

    def _first_lines(self) -> list[str]:
        """What a file begins with, if there is none yet."""
        return [] if self._end.length else [HEADER, "generation 1"]

    def _allocate(self, missing: Sequence[UnitObject], all_of_image: Sequence[UnitObject]) -> list[str]:
        """Place libraries; the lines to append."""
        lines = self._first_lines()
        try:
            return lines + [self._place(library) for library in missing]
        except Full:
            self._state = self._replayed()
            self._state.start_generation(self._state.generation + 1)
        try:
            placed = [self._place(library) for library in all_of_image]
        except Full:
            raise BuildError(
                f"the libraries of one image do not fit into the {_size(self._zones())} of library addresses",
                "Leave libraries out of the app, or make them smaller.",
            ) from None
        return [*lines[:1], f"generation {self._state.generation}", *placed]

    def _place(self, library: UnitObject) -> str:
        """Take a library's windows; the line to append."""
        windows = {
            kind: self._state.zones.allocate(kind, size.size, size.alignment) for kind, size in library.facts.windows.items()
        }
        entry = Entry(self._state.generation, library.name, library.version, library.digest, windows)
        self._state.add(entry)
        return _line("library", entry.name, entry.version, entry.digest, windows)

    def _append(self, lines: Iterable[str]) -> None:
        data = "".join(f"{line}\n" for line in lines).encode()
        is_new = not self._file.exists()
        if is_new:
            remove_seal(self._file)  # of one that was removed
        with self._file.open("ab") as file:  # which writes all or raises, also when a disk is nearly full
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            sync_folder(self._file.parent)
        self._end, _ = self._end.after(data)
        write_seal(self._file, self._end)

    def _replayed(self) -> MapState:
        """The file's content, whatever was placed since and not written."""
        state = MapState(self._zones)
        if self._file.exists():
            data = self._file.read_bytes()
            _replay(self._file, state, data[: data.rfind(b"\n") + 1], 0)
        return state

    def _catch_up(self) -> None:
        start = self._end.length
        noted = read_seal(self._file)
        with self._file.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(start)
            data = file.read()
        if size < start:
            refuse_broken(self._file, self._end, size)
        whole = data[: data.rfind(b"\n") + 1]
        if not whole and start == 0 and not any(f"{header}\n".encode().startswith(data) for header in (HEADER, *EARLIER)):
            raise BadInputError(f"{self._file}: not a global map", _HINT)
        _replay(self._file, self._state, whole, start)
        self._end, met = self._end.after(whole, noted)
        if noted is not None and noted.length > start and not met:
            refuse_broken(self._file, noted, size)

    def _drop_half_line(self) -> None:
        """Cut off what follows the last whole line; all whole lines were read."""
        if self._file.exists() and self._file.stat().st_size > self._end.length:
            os.truncate(self._file, self._end.length)


def _line(record: str, name: str, version: str, digest: str, windows: Mapping[Kind, Window] | FrameWindows) -> str:
    texts = (f"{kind}={window.address:#x}+{window.size:#x}:{window.alignment}" for kind, window in windows.items())
    return " ".join([record, name, version, digest, *texts])


def _size(zones: Zones) -> str:
    return f"{(zones.limit - zones.next_zone) >> 20} MiB"


def _replay(file: Path, state: MapState, data: bytes, offset: int) -> None:
    """Apply lines to a state; any contradiction is a `BadInputError` with its place."""
    try:
        lines = data.decode("utf-8").split("\n")[:-1]  # every line is whole
    except UnicodeDecodeError:
        raise BadInputError(f"{file}: the global map holds bytes that are not text", _HINT) from None
    for number, line in enumerate(lines, 1):
        where = f"{file}: line {number}" if offset == 0 else f"{file}: line {number} after byte {offset}"
        if number == 1 and offset == 0:
            if line in EARLIER:
                state.follow(EARLIER[line])
            elif line != HEADER:
                raise BadInputError(f"{where}: {line!r} is not {HEADER!r}: not a global map of this version", _HINT)
        elif line.strip() and not line.startswith("#"):
            _replay_line(where, state, _words(line))


def _words(line: str) -> list[str]:
    """A record's kind, name, version, digest and windows. Recipes of before could have a version with spaces, or none."""
    words = line.split()
    digest = max((index for index, word in enumerate(words) if index > 1 and _DIGEST.fullmatch(word)), default=None)
    return words if digest is None else [*words[:2], " ".join(words[2:digest]), *words[digest:]]


def _replay_line(where: str, state: MapState, words: list[str]) -> None:
    if generation := _GENERATION.fullmatch(" ".join(words)):
        if int(generation[1]) not in (state.generation, state.generation + 1):
            raise BadInputError(f"{where}: generation {generation[1]} does not follow {state.generation}", _HINT)
        state.start_generation(int(generation[1]))
        return
    found = [_WINDOW.fullmatch(word) for word in words[4:]]
    kinds = _KINDS.get(words[0])
    if (
        kinds is None
        or len(words) < 4
        or not _DIGEST.fullmatch(words[3])
        or any(matched is None or matched[1] not in kinds for matched in found)
    ):
        raise BadInputError(f"{where}: {' '.join(words)[:80]!r} is not a record of the global map", _HINT)
    windows = [
        (matched[1], Window(int(matched[2], 16), int(matched[3], 16), int(matched[4])))
        for matched in found
        if matched is not None
    ]
    if len({kind for kind, _ in windows}) < len(windows) or any(window.alignment.bit_count() != 1 for _, window in windows):
        raise BadInputError(f"{where}: {words[1]} has a window twice, or an alignment that is no power of two", _HINT)
    if words[0] == "forget":
        if words[3] not in state.frames:
            raise BadInputError(f"{where}: {words[1]} has no places to forget", _HINT)
        state.forget(words[3])
    elif words[0] == "frames":
        places = {
            FrameKind(kind): _again(where, words[1], kind, said, partial(state.frame_space.allocate, FrameKind(kind)))
            for kind, said in windows
        }
        state.frames[words[3]] = FrameEntry(words[1], words[2], words[3], places)
    else:
        taken = {
            Kind(kind): _again(where, words[1], kind, said, partial(state.zones.allocate, Kind(kind))) for kind, said in windows
        }
        state.add(Entry(state.generation, words[1], words[2], words[3], taken))


def _again(where: str, name: str, kind: str, said: Window, allocate: Callable[[int, int], Window]) -> Window:
    """Take the window that a record tells of; it must come out where the record says."""
    try:
        window = allocate(said.size, said.alignment)
    except Full:
        raise BadInputError(f"{where}: {name}'s {kind} lies beyond the library addresses", _HINT) from None
    if window.address != said.address:
        raise BadInputError(f"{where}: {name}'s {kind} is at {said.address:#x}, but belongs at {window.address:#x}", _HINT)
    return window
