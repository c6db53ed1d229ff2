"""The control client against a fake launcher: framing, overlap, errors, disappearance."""

from __future__ import annotations

import asyncio
import re
import struct
from pathlib import Path
from typing import Any

import pytest

from fleet.fake_launcher import Handler, serve
from unishare.errors import BadInputError, NotFoundError, TimeLimitError, UnishareError
from unishare.fleet.control import ERRORS, PAYLOAD_MAX, Control, LauncherGoneError, ProtocolError, encode
from unishare.fleet.messages import StartRequest


def ask(socket: Path, handler: Handler, question: Any) -> Any:
    """Run `question(control)` against a fake launcher."""

    async def run() -> Any:
        async with serve(socket, handler), await Control.connect(socket) as control:
            return await asyncio.wait_for(question(control), 10)

    return asyncio.run(run())


def test_a_frame_has_both_lengths_in_front() -> None:
    frame = encode({"op": "hello", "seq": 1}, b"abc")
    assert struct.unpack("<II", frame[:8]) == (len(frame) - 8 - 3, 3)
    assert frame.endswith(b"}abc")


def test_too_large_a_request_is_refused_before_it_is_sent() -> None:
    with pytest.raises(BadInputError, match="too large"):
        encode({}, b"\0" * (PAYLOAD_MAX + 1))


def test_answers_find_their_callers_in_any_order(tmp_path: Path) -> None:
    async def handler(message: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        await asyncio.sleep(0.05 if message["seq"] % 2 else 0)
        return {"status": 0, "duration_us": 5}, payload[::-1]

    async def question(control: Control) -> list[bytes]:
        answers = await asyncio.gather(*(control.invoke("a", f"{number:03}".encode()) for number in range(20)))
        return [answer.payload for answer in answers]

    assert ask(tmp_path / "s", handler, question) == [f"{number:03}"[::-1].encode() for number in range(20)]


@pytest.mark.parametrize(
    ("code", "kind"),
    [("not-found", NotFoundError), ("time-limit", TimeLimitError), ("bad-manifest", BadInputError), ("else", UnishareError)],
)
def test_an_error_becomes_the_exception_of_its_code(tmp_path: Path, code: str, kind: type[UnishareError]) -> None:
    async def handler(_message: dict[str, Any], _payload: bytes) -> tuple[dict[str, Any], bytes]:
        return {"ok": False, "error": {"code": code, "message": "what", "hint": "do"}}, b""

    with pytest.raises(kind) as caught:
        ask(tmp_path / "s", handler, lambda control: control.hello())
    assert (caught.value.message, caught.value.hint) == ("what", "do")


def test_every_error_code_of_the_monitor_has_an_exception_with_the_monitors_own_exit_code() -> None:
    source = (Path(__file__).parents[2] / "monitor" / "src" / "error.rs").read_text()
    kinds = {}
    for kinds_text, code in re.findall(r"^ {12}(Self::.*?) => (\d+),$", source, re.M):
        kinds.update(dict.fromkeys(re.findall(r"Self::(\w+)", kinds_text), int(code)))
    names = dict(re.findall(r'^ {12}Self::(\w+) \{ \.\. \} => "([a-z-]+)",$', source, re.M))
    assert len(names) >= 9 and names.keys() == kinds.keys()
    assert {names[kind]: code for kind, code in kinds.items()} == {name: kind.exit_code for name, kind in ERRORS.items()}


def test_an_unknown_key_in_an_answer_is_noticed(tmp_path: Path) -> None:
    async def handler(_message: dict[str, Any], _payload: bytes) -> tuple[dict[str, Any], bytes]:
        return {"version": "1", "pid": 1, "tenders": [], "pool": "/", "surprise": 1}, b""

    with pytest.raises(ProtocolError, match="surprise"):
        ask(tmp_path / "s", handler, lambda control: control.hello())


def test_start_sends_only_what_is_set(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    async def handler(message: dict[str, Any], _payload: bytes) -> tuple[dict[str, Any], bytes]:
        seen.update(message)
        return {"instances": [{"instance": "a-1", "pid": 7, "start_us": 3}]}, b""

    started = ask(tmp_path / "s", handler, lambda control: control.start(StartRequest(manifest="/m", tender="process")))
    assert started[0].instance == "a-1"
    assert seen == {"op": "start", "seq": 1, "manifest": "/m", "tender": "process", "sharing": "pool", "count": 1}


def test_a_launcher_that_goes_away_fails_its_callers(tmp_path: Path) -> None:
    async def run() -> None:
        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(8)
            writer.close()

        async with await asyncio.start_unix_server(hang_up, tmp_path / "s"):
            control = await Control.connect(tmp_path / "s")
            with pytest.raises(LauncherGoneError):
                await asyncio.wait_for(control.list(), 10)
            with pytest.raises(LauncherGoneError):
                await control.list()
            await control.close()

    asyncio.run(run())


def test_a_socket_in_a_deep_folder_can_be_reached(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 60)
    deep.mkdir(parents=True)

    async def run() -> int:
        async def handler(_message: dict[str, Any], _payload: bytes) -> tuple[dict[str, Any], bytes]:
            return {"instances": []}, b""

        # Bound by a relative name, as the launcher does it.
        import os

        before = Path.cwd()
        os.chdir(deep)
        try:
            async with serve(Path("s"), handler), await Control.connect(deep / "s") as control:
                return len(await control.list())
        finally:
            os.chdir(before)

    assert asyncio.run(run()) == 0
