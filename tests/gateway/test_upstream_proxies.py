"""The transport through proxies that ask who is there, and through those that refuse."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from engine.gateway import upstream as seam
from engine.gateway.upstream import AiohttpTransport, Limits, prepare, read_body
from tests.gateway import proxies
from tests.gateway.proxies import PASSWORD, USER, Proxy, Serve
from tests.gateway.wire import answers, upstream

LIMITS = Limits(connect=5, read=10)
SERVES: dict[str, Serve] = {
    "http": proxies.http,
    "https": proxies.http,
    "socks5": proxies.socks5,
    "socks5h": proxies.socks5,
}


async def asked(
    scheme: str,
    password: str,
    *,
    authority: str,
    tls: ssl.SSLContext | None,
    secure: bool,
    name: str = "127.0.0.1",
    gone: bool = False,
) -> tuple[bytes, Proxy, str]:
    """What a call through a proxy brought, the proxy, and where the upstream is."""
    server = tls if secure else None
    between = proxies.running(SERVES[scheme], tls if scheme == "https" else None)
    async with upstream(answers({"ok": True}), ssl=server) as wire, between as proxy:
        port = wire.url.rpartition(":")[2] if not gone else "9"
        url = f"{'https' if secure else 'http'}://{name}:{port}/v1"
        transport = AiohttpTransport(
            f"{scheme}://{USER}:{password}@127.0.0.1:{proxy.port}",
            verify=ssl.create_default_context(cadata=authority),
        )
        try:
            response = await transport.handle_async_request(prepare(url, {}, b"{}", LIMITS))
            body = await read_body(response, 1000)
            await response.aclose()
            return body, proxy, f"{name}:{port}"
        finally:
            await transport.aclose()


@pytest.mark.parametrize("secure", [False, True], ids=["to-http", "to-https"])
@pytest.mark.parametrize("scheme", SERVES)
def test_a_proxy_is_used_with_its_credentials(
    scheme: str, secure: bool, tls: ssl.SSLContext, authority: str
) -> None:
    call = asked(scheme, PASSWORD, authority=authority, tls=tls, secure=secure)
    body, proxy, address = asyncio.run(call)
    assert body == b'{"ok": true}'
    if scheme.startswith("socks"):
        assert proxy.asked == [address]
    else:
        assert proxy.asked == [f"CONNECT {address}" if secure else f"POST http://{address}/v1"]


def test_names_are_resolved_at_a_socks_proxy(tls: ssl.SSLContext, authority: str) -> None:
    call = asked("socks5", PASSWORD, authority=authority, tls=None, secure=False, name="localhost")
    _, proxy, address = asyncio.run(call)
    assert proxy.asked == [address]
    assert address.startswith("localhost:")


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
def test_wrong_credentials_are_an_error_that_names_neither_them_nor_the_proxy(
    scheme: str, tls: ssl.SSLContext, authority: str
) -> None:
    with pytest.raises(seam.TransportError) as caught:
        asyncio.run(asked(scheme, "another-word", authority=authority, tls=tls, secure=True))
    assert not isinstance(caught.value, seam.Disconnected)
    for secret in ("another-word", USER, "127.0.0.1"):
        assert secret not in str(caught.value)


def test_plain_requests_get_the_refusal_of_their_proxy_as_the_answer(
    tls: ssl.SSLContext, authority: str
) -> None:
    async def main() -> int:
        async with proxies.running(proxies.http) as proxy:
            transport = AiohttpTransport(f"http://{USER}:wrong@127.0.0.1:{proxy.port}")
            try:
                request = prepare("http://127.0.0.1:9/v1", {}, b"{}", LIMITS)
                response = await transport.handle_async_request(request)
                await response.aclose()
                return int(response.status_code)
            finally:
                await transport.aclose()

    assert asyncio.run(main()) == 407


def test_what_a_socks_proxy_cannot_reach_is_a_connect_error(
    tls: ssl.SSLContext, authority: str
) -> None:
    with pytest.raises(seam.TransportError) as caught:
        call = asked("socks5", PASSWORD, authority=authority, tls=None, secure=False, gone=True)
        asyncio.run(call)
    assert not isinstance(caught.value, seam.Disconnected)


def test_a_proxy_nobody_vouches_for_is_refused(tls: ssl.SSLContext) -> None:
    async def main() -> None:
        async with proxies.running(proxies.http, tls) as proxy:
            transport = AiohttpTransport(f"https://{USER}:{PASSWORD}@127.0.0.1:{proxy.port}")
            try:
                await transport.handle_async_request(
                    prepare("http://127.0.0.1:9/v1", {}, b"{}", LIMITS)
                )
            finally:
                await transport.aclose()
                assert proxy.asked == []

    with pytest.raises(seam.TransportError):
        asyncio.run(main())
