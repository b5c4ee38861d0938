"""Proxies of the configuration, in front of the real server: the global one, a credential's own."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.harness import claude_answer, claude_request, claude_stream, credential
from tests.gateway.harness import serving as in_process
from tests.gateway.wire import answers, streams, upstream
from tests.support.gateway import serving


@dataclass
class Proxy:
    """A forward proxy; ``asked`` holds the first line of each request and its credentials."""

    port: int = 0
    asked: list[tuple[str, str | None]] = field(default_factory=list)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def proxy(tls: ssl.SSLContext | None = None) -> AsyncIterator[Proxy]:
    """Forwards plain requests with an absolute address, and tunnels by CONNECT."""
    running, made = set(), Proxy()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, _, rest = head.partition("\r\n")
        lines = dict(line.split(": ", 1) for line in rest.strip().split("\r\n"))
        made.asked.append((first, lines.get("Proxy-Authorization")))
        method, target, version = first.split(" ")
        host, _, path = target.removeprefix("http://").partition("/")
        name, _, port = host.partition(":")
        behind, ahead = await asyncio.open_connection(name, int(port))
        if method == "CONNECT":
            writer.write(f"{version} 200 OK\r\n\r\n".encode())
        else:
            ahead.write(f"{method} /{path} {version}\r\n{rest}".encode())
        try:
            await asyncio.gather(_pipe(reader, ahead), _pipe(behind, writer))
        finally:
            ahead.close()
            writer.close()
            await asyncio.gather(ahead.wait_closed(), writer.wait_closed(), return_exceptions=True)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def test_a_credential_has_its_own_proxy_none_or_the_global_one() -> None:
    async def main() -> None:
        async with upstream(answers(claude_answer())) as wire, proxy() as common, proxy() as own:
            settings: dict[str, Any] = {
                "proxy-url": f"http://127.0.0.1:{common.port}",
                "credentials": [
                    credential("claude", wire.url, "common", models=[{"id": "c"}]),
                    credential(
                        "claude",
                        wire.url,
                        "own",
                        models=[{"id": "o"}],
                        **{"proxy-url": f"http://127.0.0.1:{own.port}"},
                    ),
                    credential(
                        "claude", wire.url, "direct", models=[{"id": "d"}], **{"proxy-url": ""}
                    ),
                ],
            }
            async with in_process(settings) as gw:
                for model, counts in (("c", (1, 0)), ("o", (1, 1)), ("d", (1, 1)), ("c", (1, 1))):
                    assert (await gw.claude(model=model)).status_code == 200
                    # connections of a setting are kept: one for both calls of the global one
                    assert (len(common.asked), len(own.asked)) == counts
            assert len(wire.heard) == 4

    asyncio.run(main())


@pytest.mark.parametrize("secure", [False, True], ids=["to-http", "to-https"])
def test_a_proxy_spoken_to_in_tls_is_used_with_its_credentials(
    tmp_path: Path, certificate: tuple[Path, Path], tls: ssl.SSLContext, secure: bool
) -> None:
    async def main() -> None:
        scripts = answers(claude_answer()), streams(*claude_stream("a", "b"))
        async with upstream(*scripts, ssl=tls if secure else None) as wire, proxy(tls) as between:
            url = f"https://user:pass@127.0.0.1:{between.port}"
            row = credential("claude", wire.url, **{"proxy-url": url})
            environment = {**os.environ, "SSL_CERT_FILE": str(certificate[0])}
            with serving({"credentials": [row]}, tmp_path, environment) as gateway:
                client = httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=30)
                async with client as http:
                    whole = await http.post("/v1/messages", json=claude_request())
                    assert (whole.status_code, whole.json()) == (200, claude_answer())
                    stream = await http.post("/v1/messages", json=claude_request(stream=True))
                    assert stream.content == b"".join(claude_stream("a", "b"))
                log = gateway.log_file.read_text()
            assert len(wire.heard) == 2
            address = wire.url.partition("//")[2]
            wanted = f"CONNECT {address} " if secure else f"POST http://{address}/v1/messages "
            assert {(first.startswith(wanted), key) for first, key in between.asked} == {
                (True, "Basic dXNlcjpwYXNz")
            }
            assert "user:pass" not in log
            assert "Traceback" not in log

    asyncio.run(main())


def test_a_proxy_that_refuses_is_told_without_its_address() -> None:
    async def main() -> None:
        async with upstream(answers(claude_answer())) as wire:
            url = "http://user:secret-word@127.0.0.1:9"
            rows = [credential("claude", wire.url, **{"proxy-url": url})]
            async with in_process({"credentials": rows}) as gw:
                answer = await gw.claude()
                assert answer.status_code == 502
                assert "127.0.0.1" not in answer.text
                assert "secret-word" not in answer.text
            assert wire.heard == []

    asyncio.run(main())
