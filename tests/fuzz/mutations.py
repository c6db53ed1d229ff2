"""What the fuzz tests share: changes of valid input. Longer runs: `pytest tests/fuzz --hypothesis-profile long`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st

# Where a parser is most likely to believe too much.
WORDS = [
    b"\0", b"\xff" * 4, b"\xff" * 8, b"\x7f\xff\xff\xff", b"\0" * 8, b"-1", b"9" * 5000, b"1e999", b"0x", b"\n", b" ", b"\t", b"[" * 2000,
    b"{" * 2000, b'"', b"'", b"=", b".", b"\\u0000", b"\xed\xa0\x80", b"\xc3", b"\r", b"NaN", b"null", b"true",
]  # fmt: skip


@st.composite
def mutated(draw: Callable[..., object], seeds: list[bytes]) -> bytes:
    """A valid input with a few bytes changed, removed, doubled or put in."""
    data = bytearray(draw(st.sampled_from(seeds)))  # type: ignore[arg-type]
    for _ in range(int(draw(st.integers(1, 6)))):  # type: ignore[call-overload]
        at = int(draw(st.integers(0, max(len(data) - 1, 0))))  # type: ignore[call-overload]
        how = draw(st.sampled_from(["byte", "cut", "insert", "double", "truncate"]))
        length = int(draw(st.integers(1, 64)))  # type: ignore[call-overload]
        if how == "byte" and data:
            data[at] = int(draw(st.integers(0, 255)))  # type: ignore[call-overload]
        elif how == "cut":
            del data[at : at + length]
        elif how == "insert":
            data[at:at] = bytes(draw(st.one_of(st.sampled_from(WORDS), st.binary(max_size=9))))  # type: ignore[call-overload]
        elif how == "double":
            data[at:at] = data[at : at + length]
        elif how == "truncate":
            del data[at:]
    return bytes(data)


def any_input(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """Changed valid input, and now and then just bytes."""
    return st.one_of(mutated(seeds), mutated(seeds), mutated(seeds), st.binary(max_size=300))


def files(folder: Path, pattern: str) -> list[bytes]:
    """The bytes of all files that a pattern finds, in order."""
    return [path.read_bytes() for path in sorted(folder.rglob(pattern))]
