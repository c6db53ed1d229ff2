"""The guest's side of the channel, compiled for this machine with sanitizers: requests in any parts, answers of any size, and a model
of what must be sent. Longer: `pytest tests/guest --hypothesis-profile long`.
"""

from __future__ import annotations

import errno
import struct
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guest.harness import HERE, compile_guest

REQUEST, REPLY, READY, CRASH = 1, 2, 3, 4
MORE = 1
HEADER = struct.Struct("<IIQiI")
MESSAGE_MAX = 65536
PART_MAX = MESSAGE_MAX - HEADER.size
# What an instance of the harness's heap surely has room for, as request and as answer.
SURELY = 512 << 10


@dataclass(frozen=True)
class Asked:
    """A request, and what must be answered; the lengths of the parts that it arrives in, and the errors that are returned between."""

    payload: bytes
    answer: bytes
    status: int
    cuts: tuple[int, ...] = ()
    errors: tuple[int, ...] = ()


def asked(how: str, status: int = 0, number: int = 0, more: bytes = b"", **arrives: tuple[int, ...]) -> Asked:
    payload = how.encode() + struct.pack("<ii", status, number) + more
    answers = {"e": payload, "p": b"7".rjust(abs(number), b"0"), "w": payload * max(number, 0), "c": b"cleared"}
    if how == "p" and number < 0:  # a negative width is one that pads on the right
        answers["p"] = b"7".ljust(-number)
    return Asked(payload, answers.get(how, b""), status if 0 <= status <= 255 else 255, **arrives)


def script(requests: Sequence[Asked]) -> bytes:
    return b"".join(step for number, request in enumerate(requests) for step in _steps(number + 1, request))


def _steps(number: int, request: Asked) -> Iterator[bytes]:
    rest = request.payload
    for error in request.errors:
        yield struct.pack("<i", -error)
    for cut in request.cuts:
        part, rest = rest[:cut], rest[cut:]
        yield _message(number, MORE, part)
    while len(rest) > PART_MAX:
        part, rest = rest[:PART_MAX], rest[PART_MAX:]
        yield _message(number, MORE, part)
    yield _message(number, 0, rest)


def _message(number: int, flags: int, part: bytes) -> bytes:
    return struct.pack("<i", HEADER.size + len(part)) + HEADER.pack(REQUEST, flags, number, 0, 0) + part


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("serve") / "serve"
    compile_guest(program, [HERE / "serve_harness.c"], ("invoke", "memory"))
    return program


def sent(program: Path, steps: bytes, *arguments: str) -> tuple[list[tuple[int, int, int, int, bytes]], int, str]:
    """What the guest sent: kind, flags, id, status and payload of each message; its exit code; what it said."""
    done = subprocess.run([program, *arguments], input=steps, capture_output=True, check=False, timeout=60)
    said, data, found = done.stderr.decode(errors="replace"), done.stdout, []
    while data:
        (length,) = struct.unpack_from("<I", data)
        kind, flags, number, status, _ = HEADER.unpack_from(data, 4)
        found.append((kind, flags, number, status, data[4 + HEADER.size : 4 + length]))
        data = data[4 + length :]
    assert "Sanitizer" not in said and "runtime error" not in said and "harness:" not in said, said[-3000:]
    return found, done.returncode, said


def check(program: Path, requests: Sequence[Asked], *arguments: str) -> None:
    """Play requests and compare every message with the model. Beyond `SURELY` an instance may say that it has no memory."""
    messages, code, said = sent(program, script(requests), *arguments)
    assert messages[0] == (READY, 0, 0, 0, b"")
    at = 1
    for number, request in enumerate(requests, 1):
        if at == len(messages) and len(request.payload) > SURELY:
            assert code == 255 and "needs more memory" in said
            return
        answer = b""
        while True:
            kind, flags, of, status, part = messages[at]
            at += 1
            assert (kind, of) == (REPLY, number)
            answer += part
            if not flags & MORE:
                break
            assert len(part) == PART_MAX
        overflown = (answer, status) == (b"", 255) and len(request.answer) + len(request.payload) > SURELY
        assert overflown or (answer, status) == (request.answer, request.status)
    assert (at, code) == (len(messages), 0)


SIZES = [0, 1, 500, 511, 512, 513, PART_MAX - 10, PART_MAX - 9, PART_MAX - 8, MESSAGE_MAX, 2 * PART_MAX, SURELY // 2]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("how", ["e", "p", "w", "c", "n"])
def test_sizes_around_every_limit(program: Path, how: str, size: int) -> None:
    more = b"" if how == "p" else bytes(range(256)) * (size // 256) + bytes(size % 256)
    check(program, [asked(how, 3, size if how == "p" else 1, more), asked("e", 0, 0, b"after")])


def test_parts_of_every_kind_make_one_request(program: Path) -> None:
    arrives = {"cuts": (0, 1, 0, 70), "errors": (errno.EINTR, errno.EAGAIN, errno.EINTR)}
    check(program, [asked("e", 0, 0, bytes(200), **arrives), asked("w", 1, 5, b"x" * 1000, cuts=(0,))])


@pytest.mark.parametrize("status", [-1, 256, 300, 1 << 16, -(1 << 31)])
def test_a_status_that_no_exit_code_can_be_is_not_told_as_another(program: Path, status: int) -> None:
    check(program, [asked("e", status)])
    assert "not one of 0 to 255" in sent(program, script([asked("e", status)]))[2]


def test_a_request_that_no_memory_is_there_for_is_said(program: Path) -> None:
    messages, code, said = sent(program, script([asked("e", 0, 0, bytes(8 << 20))]))
    assert (len(messages), code) == (1, 255) and "a request needs more memory than this instance has" in said


def test_an_answer_that_no_memory_is_there_for_ends_with_a_status_and_the_instance_goes_on(program: Path) -> None:
    check(program, [asked("w", 0, 90, bytes(100_000)), asked("e", 0, 0, b"after"), asked("p", 0, 7 << 20), asked("e")])


@pytest.mark.parametrize("step", [0, 1, HEADER.size - 1])
def test_a_message_shorter_than_its_header_ends_it(program: Path, step: int) -> None:
    steps = script([asked("e")]) + struct.pack("<i", step) + bytes(step) + script([asked("e")])
    messages, code, _ = sent(program, steps)
    assert (len(messages), code) == (2, 0)


ERRORS = st.lists(st.sampled_from([errno.EINTR, errno.EAGAIN]), max_size=3).map(tuple)
CUTS = st.lists(st.sampled_from([0, 1, 9, 100, PART_MAX - 1, PART_MAX]), max_size=4).map(tuple)
SOME = st.one_of(st.integers(0, 600), st.sampled_from(SIZES), st.integers(0, 3 << 20))
REQUESTS = st.builds(
    lambda how, status, number, size, cuts, errors: asked(how, status, number, bytes(size), cuts=cuts, errors=errors),
    st.sampled_from("epwcng"), st.integers(-2, 258), st.integers(-700, 700), SOME, CUTS, ERRORS,
)  # fmt: skip


@given(st.lists(REQUESTS, min_size=1, max_size=5), st.booleans())
def test_whatever_is_asked_the_model_is_answered(program: Path, requests: list[Asked], resets: bool) -> None:
    check(program, requests, *(["reset"] if resets else []))
