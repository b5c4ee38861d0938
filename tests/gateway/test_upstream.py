"""The transport against servers that keep to the rules and servers that do not."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import Awaitable, Callable

import pytest

from engine.errors import UpstreamError
from engine.gateway import upstream as seam
from engine.gateway.upstream import AiohttpTransport, Limits, chunks, prepare, read_body
from tests.gateway.wire import Script, Wire, answers, hangs, says, streams, upstream

QUICK = Limits(connect=5, read=0.2)
CALM = Limits(connect=5, read=10)
HEAD = b"HTTP/1.1 200 OK\r\n"


async def fetch(transport: AiohttpTransport, url: str, limits: Limits = CALM) -> bytes:
    response = await transport.handle_async_request(prepare(f"{url}/v1", {}, b"{}", limits))
    try:
        return await read_body(response, 1_000_000)
    finally:
        await response.aclose()


def run(*scripts: Script, limits: Limits = CALM) -> tuple[bytes, Wire]:
    async def main() -> tuple[bytes, Wire]:
        async with upstream(*scripts) as wire:
            transport = AiohttpTransport()
            try:
                return await fetch(transport, wire.url, limits), wire
            finally:
                await transport.aclose()

    return asyncio.run(main())


@pytest.mark.parametrize(
    "raw",
    [
        HEAD + b"content-length: 5\r\n\r\nhello",
        HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        HEAD + b"connection: close\r\n\r\nhello",
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + HEAD + b"content-length: 5\r\n\r\nhello",
        HEAD + b"x-long: " + b"y" * 30_000 + b"\r\ncontent-length: 5\r\n\r\nhello",
    ],
    ids=["length", "chunked", "close", "1xx", "huge-header"],
)
def test_a_body_arrives_whole_however_it_is_delimited(raw: bytes) -> None:
    body, _ = run(says(raw))
    assert body == b"hello"


def test_a_compressed_answer_is_unpacked() -> None:
    packed = gzip.compress(b"hello")
    body, _ = run(answers(None, headers={"content-encoding": "gzip"}, raw=packed))
    assert body == b"hello"


def test_what_is_sent_is_what_was_prepared_and_no_more() -> None:
    _, wire = run(answers({}))
    (heard,) = wire.heard
    assert (heard.method, heard.path, heard.body) == ("POST", "/v1", b"{}")
    assert set(heard.headers) == {"host", "content-length"}


@pytest.mark.parametrize(
    ("script", "limits", "error"),
    [
        (hangs(), QUICK, seam.TimeoutException),
        (says(b""), CALM, seam.Disconnected),
        (says(HEAD + b"content-length: 50\r\n\r\nhello"), CALM, seam.BadAnswer),
        (streams(b"hello", cut=True), CALM, seam.TransportError),
        (says(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), CALM, seam.BadAnswer),
        (says(HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n"), CALM, seam.BadAnswer),
        (says(HEAD + b"x: " + b"y" * 90_000 + b"\r\n\r\n"), CALM, seam.BadAnswer),
        (
            answers(None, headers={"content-encoding": "gzip"}, raw=b"no gzip at all"),
            CALM,
            seam.DecodingError,
        ),
    ],
    ids=["hang", "nothing", "short", "reset", "garbage", "bad-chunk", "header-flood", "bad-gzip"],
)
def test_a_misbehaving_server_is_an_error_of_the_seam(
    script: Script, limits: Limits, error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        run(script, limits=limits)
    assert isinstance(caught.value, seam.Disconnected) is (error is seam.Disconnected)


def test_nobody_listening_is_a_connect_error_that_names_no_address() -> None:
    async def main() -> None:
        async with upstream(answers({})) as wire:
            url = wire.url
        transport = AiohttpTransport()
        try:
            await fetch(transport, url)
        finally:
            await transport.aclose()

    with pytest.raises(seam.TransportError) as caught:
        asyncio.run(main())
    assert "127.0.0.1" not in str(caught.value)


def test_an_answer_beyond_the_limit_is_not_held() -> None:
    with pytest.raises(UpstreamError):
        run(answers(None, raw=b"x" * 1_000_001))


def test_a_connection_is_used_again() -> None:
    async def main() -> int:
        async with upstream(answers({})) as wire:
            transport = AiohttpTransport()
            for _ in range(3):
                await fetch(transport, wire.url)
            await transport.aclose()
            return wire.connections

    assert asyncio.run(main()) == 1


def test_cancelling_in_mid_stream_closes_the_connection_at_once() -> None:
    async def main() -> None:
        async with upstream(streams(b"hello", hang=True)) as wire:
            transport = AiohttpTransport()
            response = await transport.handle_async_request(prepare(wire.url, {}, b"{}", CALM))
            async for chunk in chunks(response):
                assert chunk == b"hello"
                break
            await response.aclose()
            await asyncio.wait_for(wire.left.wait(), 5)
            await transport.aclose()

    asyncio.run(main())


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def _http_proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """A forward proxy for plain requests: what it was sent, with the absolute address."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, _, rest = head.decode().partition("\r\n")
    method, target, _ = first.split(" ")
    host, _, path = target.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    behind, ahead = await asyncio.open_connection(name, int(port))
    ahead.write(f"{method} /{path} HTTP/1.1\r\n{rest}".encode())
    await asyncio.gather(_pipe(reader, ahead), _pipe(behind, writer))
    return head.decode()


async def _socks_proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """SOCKS5 with user and password (RFC 1928, 1929); gives the user and the asked address."""
    _, count = await reader.readexactly(2)
    methods = await reader.readexactly(count)
    assert 2 in methods
    writer.write(b"\x05\x02")
    user = await reader.readexactly((await reader.readexactly(2))[1])
    password = await reader.readexactly((await reader.readexactly(1))[0])
    writer.write(b"\x01\x00")
    kind = (await reader.readexactly(4))[3]
    if kind == 1:
        name = ".".join(str(byte) for byte in await reader.readexactly(4))
    else:
        name = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
    port = int.from_bytes(await reader.readexactly(2), "big")
    behind, ahead = await asyncio.open_connection(name, port)
    writer.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
    await asyncio.gather(_pipe(reader, ahead), _pipe(behind, writer))
    return f"{user.decode()}:{password.decode()}"


@pytest.mark.parametrize(
    ("scheme", "proxy", "mark"),
    [
        ("http", _http_proxy, "Proxy-Authorization: Basic dXNlcjpwYXNz"),
        ("socks5", _socks_proxy, "user:pass"),
        ("socks5h", _socks_proxy, "user:pass"),
    ],
)
def test_a_proxy_is_used_with_its_credentials(
    scheme: str,
    proxy: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[str]],
    mark: str,
) -> None:
    seen: list[str] = []

    async def main() -> bytes:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.append(await proxy(reader, writer))

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with upstream(answers({"ok": True})) as wire:
            transport = AiohttpTransport(f"{scheme}://user:pass@127.0.0.1:{port}")
            try:
                return await fetch(transport, wire.url)
            finally:
                await transport.aclose()
                server.close()
                await asyncio.sleep(0.05)

    assert asyncio.run(main()) == b'{"ok": true}'
    assert mark in seen[0]


def test_a_certificate_nobody_vouches_for_is_refused(tls: ssl.SSLContext) -> None:
    async def main() -> None:
        async with upstream(answers({}), ssl=tls) as wire:
            transport = AiohttpTransport()
            try:
                await fetch(transport, wire.url)
            finally:
                await transport.aclose()

    with pytest.raises(seam.TransportError):
        asyncio.run(main())


def test_a_certificate_that_is_trusted_is_taken(tls: ssl.SSLContext, authority: str) -> None:
    async def main() -> bytes:
        async with upstream(answers({"ok": 1}), ssl=tls) as wire:
            transport = AiohttpTransport(verify=ssl.create_default_context(cadata=authority))
            try:
                return await fetch(transport, wire.url)
            finally:
                await transport.aclose()

    assert asyncio.run(main()) == b'{"ok": 1}'
