"""Proxies of the configuration, in front of the real server: the global one, a credential's own."""

from __future__ import annotations

import asyncio
import os
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.harness import claude_answer, claude_request, claude_stream, credential
from tests.gateway.harness import serving as in_process
from tests.gateway.proxies import PASSWORD, USER, Proxy, http, running
from tests.gateway.wire import answers, streams, upstream
from tests.support.gateway import serving


def address(proxy: Proxy, scheme: str = "http") -> str:
    return f"{scheme}://{USER}:{PASSWORD}@127.0.0.1:{proxy.port}"


def test_a_credential_has_its_own_proxy_none_or_the_global_one() -> None:
    async def main() -> None:
        whole = upstream(answers(claude_answer()))
        async with whole as wire, running(http) as common, running(http) as own:
            settings: dict[str, Any] = {
                "proxy-url": address(common),
                "credentials": [
                    credential("claude", wire.url, "common", models=[{"id": "c"}]),
                    credential(
                        "claude",
                        wire.url,
                        "own",
                        models=[{"id": "o"}],
                        **{"proxy-url": address(own)},
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
        behind = upstream(*scripts, ssl=tls if secure else None)
        async with behind as wire, running(http, tls) as between:
            row = credential("claude", wire.url, **{"proxy-url": address(between, "https")})
            environment = {**os.environ, "SSL_CERT_FILE": str(certificate[0])}
            with serving({"credentials": [row]}, tmp_path, environment) as gateway:
                client = httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=30)
                async with client:
                    whole = await client.post("/v1/messages", json=claude_request())
                    assert (whole.status_code, whole.json()) == (200, claude_answer())
                    stream = await client.post("/v1/messages", json=claude_request(stream=True))
                    assert stream.content == b"".join(claude_stream("a", "b"))
                log = gateway.log_file.read_text()
            assert len(wire.heard) == 2
            host = wire.url.partition("//")[2]
            wanted = f"CONNECT {host}" if secure else f"POST http://{host}/v1/messages"
            assert (set(between.asked), between.refused) == ({wanted}, 0)
            assert PASSWORD not in log
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
