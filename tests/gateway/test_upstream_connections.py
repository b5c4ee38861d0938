"""The transport's connections: trust, time, reuse, limits, breaking, and leaving in the middle."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from engine.gateway import upstream as seam
from engine.gateway.upstream import AiohttpTransport, Limits, chunks, prepare, read_body
from tests.gateway.wire import Heard, Script, answers, hangs, says, streams, upstream

QUICK = Limits(connect=5, read=0.2, write=0.2)
HASTY = Limits(connect=0.3, read=10)
CALM = Limits(connect=5, read=10)
HEAD = b"HTTP/1.1 200 OK\r\n"

Accept = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def opened(verify: ssl.SSLContext | None = None) -> AsyncIterator[AiohttpTransport]:
    transport = AiohttpTransport(verify=verify)
    try:
        yield transport
    finally:
        await transport.aclose()


async def fetch(
    transport: AiohttpTransport, url: str, limits: Limits = CALM, body: bytes = b"{}"
) -> bytes:
    response = await transport.handle_async_request(prepare(f"{url}/v1", {}, body, limits))
    try:
        return await read_body(response, 1_000_000)
    finally:
        await response.aclose()


def reset(after: bytes = b"") -> Script:
    """These bytes, then a reset."""

    async def script(heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(after)
        await writer.drain()
        await asyncio.sleep(0.02)
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    return script


# ---------------------------------------------------------------------------- trust


def test_a_certificate_nobody_vouches_for_is_refused(tls: ssl.SSLContext) -> None:
    async def main() -> None:
        async with upstream(answers({}), ssl=tls) as wire, opened() as transport:
            with pytest.raises(seam.TransportError):
                await fetch(transport, wire.url)
            assert wire.heard == []

    asyncio.run(main())


def test_a_certificate_that_is_trusted_is_taken(tls: ssl.SSLContext, authority: str) -> None:
    async def main() -> bytes:
        trust = ssl.create_default_context(cadata=authority)
        async with upstream(answers({"ok": 1}), ssl=tls) as wire, opened(trust) as transport:
            return await fetch(transport, wire.url)

    assert asyncio.run(main()) == b'{"ok": 1}'


def test_a_trusted_certificate_of_another_name_is_refused(
    tls: ssl.SSLContext, authority: str
) -> None:
    async def main() -> None:
        trust = ssl.create_default_context(cadata=authority)
        async with upstream(answers({}), ssl=tls) as wire, opened(trust) as transport:
            with pytest.raises(seam.TransportError):
                await fetch(transport, wire.url.replace("127.0.0.1", "localhost"))
            assert wire.heard == []

    asyncio.run(main())


# ---------------------------------------------------------------------------- time


@asynccontextmanager
async def accepting(accept: Accept) -> AsyncIterator[int]:
    """A server that does what it is told with each connection; its port."""
    tasks: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def one() -> None:
            try:
                await accept(reader, writer)
            finally:
                writer.close()

        task = asyncio.ensure_future(one())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def _deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.sleep(60)


def test_a_connection_that_is_not_made_in_time_is_a_connect_timeout() -> None:
    async def main() -> None:
        async with accepting(_silent) as port, opened() as transport:
            # the handshake is part of connecting
            with pytest.raises(seam.ConnectTimeout):
                await fetch(transport, f"https://127.0.0.1:{port}", HASTY)

    asyncio.run(main())


def test_an_answer_that_does_not_begin_in_time_is_a_timeout() -> None:
    async def main() -> None:
        async with upstream(hangs()) as wire, opened() as transport:
            with pytest.raises(seam.TimeoutException) as caught:
                await fetch(transport, wire.url, QUICK)
            assert not isinstance(caught.value, seam.ConnectTimeout)
            await asyncio.wait_for(wire.left.wait(), 5)

    asyncio.run(main())


def test_an_answer_that_falls_silent_is_a_timeout_after_what_came() -> None:
    async def main() -> None:
        async with upstream(streams(b"hello", hang=True)) as wire, opened() as transport:
            response = await transport.handle_async_request(prepare(wire.url, {}, b"{}", QUICK))
            came = []
            with pytest.raises(seam.TimeoutException):
                async for chunk in chunks(response):
                    came.append(chunk)
            await response.aclose()
            assert came == [b"hello"]
            await asyncio.wait_for(wire.left.wait(), 5)

    asyncio.run(main())


def test_a_slow_answer_that_keeps_coming_is_none() -> None:
    async def main() -> bytes:
        script = streams(*[b"x"] * 5, pause=0.25)
        async with upstream(script) as wire, opened() as transport:
            return await fetch(transport, wire.url, Limits(connect=5, read=1))

    assert asyncio.run(main()) == b"xxxxx"


def test_a_request_that_is_not_taken_in_time_is_a_timeout() -> None:
    async def main() -> None:
        async with accepting(_deaf) as port, opened() as transport:
            with pytest.raises(seam.TimeoutException) as caught:
                limits = Limits(connect=5, read=10, write=0.2)
                await fetch(transport, f"http://127.0.0.1:{port}", limits, b"x" * 20_000_000)
            assert "taken" in str(caught.value)

    asyncio.run(main())


def test_a_large_request_arrives_whole_with_its_length() -> None:
    sent = bytes(range(256)) * 4096

    async def main() -> Heard:
        async with upstream(answers({})) as wire, opened() as transport:
            await fetch(transport, wire.url, body=sent)
            (heard,) = wire.heard
            return heard

    heard = asyncio.run(main())
    assert heard.body == sent
    assert heard.headers["content-length"] == str(len(sent))
    assert "transfer-encoding" not in heard.headers


def test_an_answer_may_come_before_a_large_request_is_taken() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Large\r\ncontent-length: 2\r\n\r\nno")
        await writer.drain()
        while await reader.read(65536):
            pass

    async def main() -> tuple[int, bytes]:
        async with accepting(refuse) as port, opened() as transport:
            request = prepare(f"http://127.0.0.1:{port}", {}, b"x" * 20_000_000, CALM)
            response = await transport.handle_async_request(request)
            try:
                return response.status_code, await read_body(response, 100)
            finally:
                await response.aclose()

    assert asyncio.run(main()) == (413, b"no")


# ---------------------------------------------------------------------------- reuse and limits


def test_a_connection_is_used_again() -> None:
    async def main() -> int:
        async with upstream(answers({})) as wire, opened() as transport:
            for _ in range(3):
                await fetch(transport, wire.url)
            return wire.connections

    assert asyncio.run(main()) == 1


@pytest.mark.parametrize(
    "script",
    [
        says(HEAD + b"content-length: 5\r\nconnection: close\r\n\r\nhello"),
        says(HEAD + b"content-length: 5\r\n\r\nhello"),
        says(HEAD + b"\r\nhello"),
        reset(HEAD + b"content-length: 5\r\n\r\nhello"),
    ],
    ids=["announced", "unannounced", "delimiting", "reset"],
)
def test_a_connection_that_the_server_ends_is_not_used_again(script: Script) -> None:
    async def main() -> tuple[list[bytes], int]:
        async with upstream(script) as wire, opened() as transport:
            found = []
            for _ in range(2):
                found.append(await fetch(transport, wire.url))
                await asyncio.sleep(0.05)
            return found, wire.connections

    assert asyncio.run(main()) == ([b"hello", b"hello"], 2)


def test_an_answer_that_was_not_read_to_its_end_costs_its_connection() -> None:
    async def main() -> int:
        async with upstream(streams(b"hello", hang=True), answers({})) as wire:
            async with opened() as transport:
                request = prepare(wire.url, {}, b"{}", CALM)
                await (await transport.handle_async_request(request)).aclose()
                await fetch(transport, wire.url)
                return wire.connections

    assert asyncio.run(main()) == 2


def test_what_would_be_too_many_connections_waits_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seam, "MAX_CONNECTIONS", 2)

    async def main() -> int:
        async with upstream(streams(b"x", pause=0.05)) as wire, opened() as transport:
            found = await asyncio.gather(*(fetch(transport, wire.url) for _ in range(6)))
            assert found == [b"x"] * 6
            return wire.connections

    assert asyncio.run(main()) == 2


def test_nobody_waits_for_a_connection_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seam, "MAX_CONNECTIONS", 1)

    async def main() -> None:
        async with upstream(streams(b"x", hang=True)) as wire, opened() as transport:
            held = await transport.handle_async_request(prepare(wire.url, {}, b"{}", CALM))
            with pytest.raises(seam.ConnectTimeout):
                await fetch(transport, wire.url, HASTY)
            await held.aclose()

    asyncio.run(main())


# ---------------------------------------------------------------------------- breaking


@pytest.mark.parametrize("kept", [False, True], ids=["new", "kept"])
@pytest.mark.parametrize("script", [says(b""), reset()], ids=["closed", "reset"])
def test_a_connection_that_ends_before_the_answer_is_told_apart(script: Script, kept: bool) -> None:
    async def main() -> None:
        scripts = (answers({}), script) if kept else (script,)
        async with upstream(*scripts) as wire, opened() as transport:
            if kept:
                await fetch(transport, wire.url)
            with pytest.raises(seam.Disconnected):
                await fetch(transport, wire.url)
            assert wire.connections == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    "script",
    [
        says(HEAD + b"content-length: 50\r\n\r\nhello"),
        reset(HEAD + b"content-length: 50\r\n\r\nhello"),
        says(HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        reset(HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    ],
    ids=["length-closed", "length-reset", "chunked-closed", "chunked-reset"],
)
def test_a_connection_that_ends_in_the_answer_is_an_error_after_what_came(script: Script) -> None:
    async def main() -> None:
        async with upstream(script) as wire, opened() as transport:
            response = await transport.handle_async_request(prepare(wire.url, {}, b"{}", CALM))
            came = []
            with pytest.raises(seam.TransportError) as caught:
                async for chunk in chunks(response):
                    came.append(chunk)
            await response.aclose()
            assert came == [b"hello"]
            assert not isinstance(caught.value, seam.Disconnected)

    asyncio.run(main())


def test_a_server_that_closes_its_side_with_the_answer_is_read_to_the_end() -> None:
    async def half(heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"connection: close\r\n\r\nhello")
        await writer.drain()
        writer.write_eof()
        await asyncio.sleep(0.2)

    async def main() -> bytes:
        async with upstream(half) as wire, opened() as transport:
            return await fetch(transport, wire.url)

    assert asyncio.run(main()) == b"hello"


# ---------------------------------------------------------------------------- leaving


def test_cancelling_in_mid_stream_closes_the_connection_at_once() -> None:
    async def main() -> None:
        async with upstream(streams(b"hello", hang=True)) as wire, opened() as transport:
            response = await transport.handle_async_request(prepare(wire.url, {}, b"{}", CALM))
            async for chunk in chunks(response):
                assert chunk == b"hello"
                break
            await response.aclose()
            await asyncio.wait_for(wire.left.wait(), 5)

    asyncio.run(main())


@pytest.mark.parametrize("began", [False, True], ids=["before-the-answer", "in-the-answer"])
def test_a_cancelled_call_leaks_no_connection(began: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    # with room for one, the next call shows whether the place is free again
    monkeypatch.setattr(seam, "MAX_CONNECTIONS", 1)
    script = streams(b"hello", hang=True) if began else hangs()

    async def main() -> None:
        async with upstream(script, answers({"ok": 1})) as wire, opened() as transport:
            call = asyncio.create_task(fetch(transport, wire.url))
            while not wire.heard:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await asyncio.wait_for(wire.left.wait(), 5)
            assert await fetch(transport, wire.url) == b'{"ok": 1}'

    asyncio.run(main())
