"""A client of the launcher's control socket: framing, matching of answers to requests, errors as exceptions.

In: a connected UNIX socket. Out: typed answers (messages.py). Requests may overlap; the launcher answers in any order and the
sequence number finds the waiting caller. Everything is asyncio; the CLI wraps whole commands in `asyncio.run`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import struct
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import ValidationError

from unishare.errors import (
    BadInputError,
    BadRequestError,
    HostLacksError,
    InputOutputError,
    NotFoundError,
    TimeLimitError,
    UnishareError,
)
from unishare.fleet import messages
from unishare.fleet.unix_path import short_path

HEADER = struct.Struct("<II")
OBJECT_MAX = 1 << 20
PAYLOAD_MAX = 64 << 20

Reply = TypeVar("Reply", bound=messages.Message)


class ProtocolError(UnishareError):
    """The launcher sent what the protocol does not allow: a defect of ours."""

    exit_code = 70


class LauncherGoneError(UnishareError):
    """The launcher closed the connection while an answer was due."""

    exit_code = 69


class GuestEndedError(UnishareError):
    """The instance crashed or ended instead of answering."""

    exit_code = 1


# Error codes of the launcher (monitor/src/error.rs) -> the exception a caller can act on, with the exit code that the monitor
# itself would have. Others become a plain UnishareError.
ERRORS: dict[str, type[UnishareError]] = {
    "io": InputOutputError,
    "not-found": NotFoundError,
    "bad-manifest": BadInputError,
    "bad-snapshot": BadInputError,
    "damaged-pool": BadInputError,
    "bad-request": BadRequestError,
    "host-lacks": HostLacksError,
    "time-limit": TimeLimitError,
    "ended": GuestEndedError,
    "defect": ProtocolError,
}


def encode(message: dict[str, Any], payload: bytes = b"") -> bytes:
    """One frame."""
    try:
        body = json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadInputError(
            "a name or path is not UTF-8, which the launcher cannot be told", "use a home with another name"
        ) from None
    if len(body) > OBJECT_MAX or len(payload) > PAYLOAD_MAX:
        raise BadInputError(
            f"a request of {len(payload)} bytes is too large for the launcher", f"the limit is {PAYLOAD_MAX} bytes a request"
        )
    return HEADER.pack(len(body), len(payload)) + body + payload


async def read_frame(reader: asyncio.StreamReader) -> tuple[dict[str, Any], bytes]:
    """The next frame; IncompleteReadError at the end of the stream."""
    body_size, payload_size = HEADER.unpack(await reader.readexactly(HEADER.size))
    if body_size > OBJECT_MAX or payload_size > PAYLOAD_MAX:
        raise ProtocolError(f"the launcher announced a frame of {body_size} + {payload_size} bytes")
    body = await reader.readexactly(body_size)
    payload = await reader.readexactly(payload_size)
    try:
        message = json.loads(body)
    except ValueError as error:
        raise ProtocolError(f"the launcher sent a message that is not JSON: {error}") from error
    if not isinstance(message, dict):
        raise ProtocolError("the launcher sent a message that is not an object")
    return message, payload


class Control:
    """One connection. Use as `async with await Control.connect(path) as control`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._sequence = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[tuple[dict[str, Any], bytes]]] = {}
        self._failure: UnishareError | None = None
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def connect(cls, socket: Path) -> Self:
        """Connect; raises OSError when nobody listens."""
        with short_path(socket) as path:
            reader, writer = await asyncio.open_unix_connection(path)
        return cls(reader, writer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; what still waits fails."""
        self._reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reading
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def hello(self) -> messages.Hello:
        return _parse(messages.Hello, *await self.request("hello"))

    async def start(self, request: messages.StartRequest) -> list[messages.StartedInstance]:
        """Start instances; returns once each is ready or has ended."""
        return (await self.start_with_warnings(request)).instances

    async def start_with_warnings(self, request: messages.StartRequest) -> messages.Started:
        """Start instances, and hear which snapshots were not used."""
        fields = request.model_dump(exclude_none=True, exclude_defaults=False)
        for name in ("empty", "reset", "restart"):
            if not fields[name]:
                del fields[name]
        return _parse(messages.Started, *await self.request("start", fields))

    async def invoke(self, instance: str, payload: bytes, time_limit_ms: int | None = None) -> messages.Answer:
        """Ask one instance and wait for its answer."""
        fields: dict[str, Any] = {"instance": instance}
        if time_limit_ms is not None:
            fields["time_limit_ms"] = time_limit_ms
        message, answer = await self.request("invoke", fields, payload)
        return _parse(messages.Answer, message, b"").model_copy(update={"payload": answer})

    async def list(self) -> list[messages.Instance]:
        return _parse(messages.InstanceList, *await self.request("list")).instances

    async def stats(self, instance: str) -> messages.Stats:
        return _parse(messages.Stats, *await self.request("stats", {"instance": instance}))

    async def bases(self, instance: str) -> messages.Bases:
        return _parse(messages.Bases, *await self.request("bases", {"instance": instance}))

    async def crash(self, instance: str) -> messages.CrashEvidence:
        return _parse(messages.CrashEvidence, *await self.request("crash", {"instance": instance}))

    async def steps(self) -> messages.Steps:
        """What was reached since this was last asked; only of a launcher with a stopwatch."""
        return _parse(messages.Steps, *await self.request("steps"))

    async def stop(self, instance: str) -> messages.Stopped:
        return _parse(messages.Stopped, *await self.request("stop", {"instance": instance}))

    async def stop_all(self) -> messages.Stopped:
        return _parse(messages.Stopped, *await self.request("stop", {"all": True}))

    async def shutdown(self) -> None:
        """Stop all instances and end the launcher."""
        await self.request("shutdown")

    async def request(
        self, op: str, fields: dict[str, Any] | None = None, payload: bytes = b""
    ) -> tuple[dict[str, Any], bytes]:
        """Send one request and wait for its answer; `seq` and `ok` are taken off."""
        if self._failure is not None:
            raise self._failure
        sequence = next(self._sequence)
        frame = encode({"op": op, "seq": sequence, **(fields or {})}, payload)
        answer: asyncio.Future[tuple[dict[str, Any], bytes]] = asyncio.get_running_loop().create_future()
        self._waiting[sequence] = answer
        try:
            self._writer.write(frame)
            await self._writer.drain()
            return await answer
        except ConnectionError as error:
            raise _gone() from error
        finally:
            self._waiting.pop(sequence, None)

    async def _read(self) -> None:
        try:
            while True:
                self._dispatch(*await read_frame(self._reader))
        except (asyncio.IncompleteReadError, ConnectionError):
            self._fail(_gone())
        except UnishareError as error:
            self._fail(error)

    def _dispatch(self, message: dict[str, Any], payload: bytes) -> None:
        sequence = message.pop("seq", None)
        if sequence is None:
            # It could not even read which request it refuses.
            raise _failure(message.get("error"))
        waiting = self._waiting.get(sequence)
        if waiting is None or waiting.done():
            return  # the caller gave up (cancelled): its answer has nobody to go to
        if message.pop("ok", False):
            waiting.set_result((message, payload))
        else:
            waiting.set_exception(_failure(message.get("error")))

    def _fail(self, error: UnishareError) -> None:
        self._failure = error
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(error)


def _parse(model: type[Reply], message: dict[str, Any], _payload: bytes) -> Reply:
    try:
        return model.model_validate(message)
    except ValidationError as error:
        raise ProtocolError(f"the launcher's answer does not fit the protocol: {error}") from error


def _failure(error: object) -> UnishareError:
    if not isinstance(error, dict):
        return ProtocolError("the launcher refused a request without saying why")
    kind = ERRORS.get(str(error.get("code")), UnishareError)
    failure = kind(str(error.get("message", "the launcher refused the request")), error.get("hint"))
    exit_code = error.get("exit")
    if isinstance(exit_code, int) and exit_code != 0:
        # An instance ended in place of an answer: with what a one-shot run of it would have ended.
        failure.exit_code = exit_code
    return failure


def _gone() -> LauncherGoneError:
    return LauncherGoneError("the launcher ended while an answer was due", "see launcher.log in the home's run folder")
