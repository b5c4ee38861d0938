"""The transport against servers that keep to the rules and servers that do not: their answers.

Connections are in test_upstream_connections.py, proxies in test_upstream_proxies.py.
"""

from __future__ import annotations

import asyncio
import gzip
import zlib

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
        b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + HEAD + b"content-length: 5\r\n\r\nhello",
        HEAD + b"x-long: " + b"y" * 30_000 + b"\r\ncontent-length: 5\r\n\r\nhello",
        HEAD + (b"x-many: " + b"y" * 300 + b"\r\n") * 100 + b"content-length: 5\r\n\r\nhello",
        HEAD + b"transfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nx-trailer: y\r\n\r\n",
    ],
    ids=[
        "length",
        "chunked",
        "close",
        "1xx",
        "several-1xx",
        "huge-header",
        "many-headers",
        "extension-and-trailer",
    ],
)
def test_a_body_arrives_whole_however_it_is_delimited(raw: bytes) -> None:
    body, _ = run(says(raw))
    assert body == b"hello"


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(b"hello")),
        ("deflate", zlib.compress(b"hello")),
        ("identity", b"hello"),
    ],
    ids=["gzip", "deflate", "identity"],
)
def test_a_compressed_answer_is_unpacked(encoding: str, packed: bytes) -> None:
    body, _ = run(answers(None, headers={"content-encoding": encoding}, raw=packed))
    assert body == b"hello"


def test_a_compressed_stream_is_unpacked_as_it_comes() -> None:
    packer = zlib.compressobj(wbits=31)
    first = packer.compress(b"hello ") + packer.flush(zlib.Z_SYNC_FLUSH)
    last = packer.compress(b"world") + packer.flush()

    async def main() -> list[bytes]:
        script = streams(first, last, pause=0.05, headers={"content-encoding": "gzip"})
        async with upstream(script) as wire:
            transport = AiohttpTransport()
            response = await transport.handle_async_request(prepare(wire.url, {}, b"{}", CALM))
            found = [chunk async for chunk in chunks(response) if chunk]
            await response.aclose()
            await transport.aclose()
            return found

    assert asyncio.run(main()) == [b"hello ", b"world"]


def test_an_answer_without_a_body_is_empty() -> None:
    body, _ = run(says(b"HTTP/1.1 204 No Content\r\n\r\n"))
    assert body == b""


def test_what_is_sent_is_what_was_prepared_and_no_more() -> None:
    _, wire = run(answers({}))
    (heard,) = wire.heard
    assert (heard.method, heard.path, heard.body) == ("POST", "/v1", b"{}")
    assert set(heard.headers) == {"host", "content-length"}


def test_headers_are_those_of_httpx_for_whoever_looks_at_them_and_sent_as_changed() -> None:
    async def main() -> Wire:
        async with upstream(answers({})) as wire:
            transport = AiohttpTransport()
            request = prepare(f"{wire.url}/v1", {"X-One": "1", "content-length": "7"}, b"{}", CALM)
            assert request.headers["host"] == wire.url.removeprefix("http://")
            assert request.headers["x-one"] == "1"
            request.headers["x-two"] = "2"
            response = await transport.handle_async_request(request)
            await read_body(response, 1_000_000)
            assert response.headers["Content-Length"] == "2"
            await response.aclose()
            await transport.aclose()
            return wire

    (heard,) = asyncio.run(main()).heard
    assert set(heard.headers) == {"host", "content-length", "x-one", "x-two"}
    assert (heard.headers["content-length"], heard.headers["x-two"]) == ("2", "2")


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
