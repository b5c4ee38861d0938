"""Little proxies on loopback: forwarding and tunnelling HTTP, SOCKS5; each asks for credentials."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

USER, PASSWORD = "user", "secret-word"

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Proxy:
    """A running proxy. ``asked`` holds where each connection wanted to go; ``refused`` counts."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    refused: int = 0


Serve = Callable[[Proxy, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def _joined(client: Ends, server: Ends) -> None:
    try:
        await asyncio.gather(_pipe(client[0], server[1]), _pipe(server[0], client[1]))
    finally:
        server[1].close()
        await asyncio.gather(server[1].wait_closed(), return_exceptions=True)


async def http(proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Forwards plain requests with an absolute address, and tunnels by CONNECT."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, _, rest = head.partition("\r\n")
    lines = {
        name.lower(): value
        for name, value in (each.split(": ", 1) for each in rest.splitlines() if each)
    }
    method, target, version = first.split(" ")
    proxy.asked.append(f"{method} {target}")
    word = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    if lines.get("proxy-authorization") != f"Basic {word}":
        proxy.refused += 1
        writer.write(f"{version} 407 Who\r\nproxy-authenticate: Basic\r\n".encode())
        writer.write(b"content-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        return
    host, _, path = target.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    server = await asyncio.open_connection(name, int(port))
    if method == "CONNECT":
        writer.write(f"{version} 200 OK\r\n\r\n".encode())
    else:
        server[1].write(f"{method} /{path} {version}\r\n{rest}".encode())
    await _joined((reader, writer), server)


async def socks5(proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """SOCKS5 with user and password (RFC 1928, 1929)."""
    _, count = await reader.readexactly(2)
    assert 2 in await reader.readexactly(count)
    writer.write(b"\x05\x02")
    user = await reader.readexactly((await reader.readexactly(2))[1])
    password = await reader.readexactly((await reader.readexactly(1))[0])
    if (user.decode(), password.decode()) != (USER, PASSWORD):
        proxy.refused += 1
        writer.write(b"\x01\x01")
        await writer.drain()
        return
    writer.write(b"\x01\x00")
    kind = (await reader.readexactly(4))[3]
    if kind == 1:
        name = ".".join(str(byte) for byte in await reader.readexactly(4))
    else:
        name = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
    port = int.from_bytes(await reader.readexactly(2), "big")
    proxy.asked.append(f"{name}:{port}")
    try:
        server = await asyncio.open_connection(name, port)
    except OSError:
        writer.write(b"\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00")
        await writer.drain()
        return
    writer.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
    await _joined((reader, writer), server)


@asynccontextmanager
async def running(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[Proxy]:
    """A proxy for as long as the block; with ``tls`` it is spoken to in TLS."""
    proxy, tasks = Proxy(), set[asyncio.Task[None]]()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(proxy, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(one(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
