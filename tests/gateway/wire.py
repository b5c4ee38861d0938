"""An upstream on a raw socket that behaves, or misbehaves, exactly as a test writes it down."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

EVENT_STREAM = "text/event-stream"


@dataclass(frozen=True)
class Heard:
    """A request as it arrived; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Wire:
    """The running upstream. ``left`` is set when the caller closes its connection."""

    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    connections: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)


Script = Callable[[Heard, asyncio.StreamWriter], Awaitable[None]]


async def read_request(reader: asyncio.StreamReader) -> Heard | None:
    """The next request of a connection; None at its end."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Heard(method, path, headers, body)


@asynccontextmanager
async def upstream(*scripts: Script, ssl: Any = None) -> AsyncIterator[Wire]:
    """Runs one script for each request, in turn; the last one again and again."""
    wire = Wire()
    queue = list(scripts)
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire.connections += 1
        try:
            while (heard := await read_request(reader)) is not None:
                wire.heard.append(heard)
                script = queue.pop(0) if len(queue) > 1 else queue[0]
                watcher = asyncio.ensure_future(_leaving(reader, wire))
                try:
                    await script(heard, writer)
                finally:
                    watcher.cancel()
                if writer.is_closing():
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=ssl)
    scheme = "https" if ssl else "http"
    wire.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield wire
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _leaving(reader: asyncio.StreamReader, wire: Wire) -> None:
    while not reader.at_eof():
        await asyncio.sleep(0.005)
    wire.left.set()


def answers(
    body: Any, status: int = 200, headers: dict[str, str] | None = None, raw: bytes | None = None
) -> Script:
    """A document with its length."""
    data = json.dumps(body).encode() if raw is None else raw
    lines = {
        "content-type": "application/json",
        "content-length": str(len(data)),
        **(headers or {}),
    }

    async def script(heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(_head(status, lines) + data)
        await writer.drain()

    return script


def streams(
    *pieces: bytes,
    pause: float = 0.0,
    cut: bool = False,
    hang: bool = False,
    headers: dict[str, str] | None = None,
) -> Script:
    """A chunked event stream; ``cut`` resets it in the middle, ``hang`` never ends it."""
    lines = {"content-type": EVENT_STREAM, "transfer-encoding": "chunked", **(headers or {})}

    async def script(heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(_head(200, lines))
        for piece in pieces:
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
            await asyncio.sleep(pause)
        if hang:
            await asyncio.sleep(60)
        if cut:
            writer.transport.abort()
        else:
            writer.write(b"0\r\n\r\n")
            await writer.drain()

    return script


def says(data: bytes, close: bool = True) -> Script:
    """These bytes and nothing else."""

    async def script(heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if close:
            writer.close()

    return script


def hangs() -> Script:
    """No answer at all."""

    async def script(heard: Heard, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    return script


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode()
