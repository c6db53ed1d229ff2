"""A stand-in for the launcher: speaks the protocol of docs/formats/control.md over a real socket, keeps no instances."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

Handler = Callable[[dict[str, Any], bytes], Awaitable[tuple[dict[str, Any], bytes]]]


@contextlib.asynccontextmanager
async def serve(socket: Path, handler: Handler) -> AsyncIterator[None]:
    """Answer each request with what `handler` returns, concurrently, so that answers can overtake each other."""
    tasks: set[asyncio.Task[None]] = set()

    async def answer(writer: asyncio.StreamWriter, message: dict[str, Any], payload: bytes) -> None:
        reply, data = await handler(message, payload)
        body = json.dumps({"seq": message["seq"], "ok": True, **reply}).encode()
        writer.write(struct.pack("<II", len(body), len(data)) + body + data)
        await writer.drain()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                body_size, payload_size = struct.unpack("<II", await reader.readexactly(8))
                message = json.loads(await reader.readexactly(body_size))
                task = asyncio.create_task(answer(writer, message, await reader.readexactly(payload_size)))
                tasks.add(task)
        writer.close()

    server = await asyncio.start_unix_server(connection, socket)
    try:
        yield
    finally:
        server.close()
        for task in tasks:
            task.cancel()
