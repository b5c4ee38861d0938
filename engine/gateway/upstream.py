"""The seam to the upstream: an httpx transport, called directly with a prepared request.

Nothing else in the project imports httpx; what other modules need of it is named here. Under the
seam runs aiohttp (docs/decisions/0002-upstream-transport.md says why). One transport lives as long
as its proxy setting.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import Any

import aiohttp
import httpx
from multidict import CIMultiDict
from yarl import URL

from engine.errors import UpstreamError
from engine.gateway.deadline import NEVER, Deadline

AsyncBaseTransport = httpx.AsyncBaseTransport
AsyncByteStream = httpx.AsyncByteStream
Request = httpx.Request
Response = httpx.Response
TransportError = httpx.TransportError
BadAnswer = httpx.RemoteProtocolError
StreamError = httpx.StreamError
DecodingError = httpx.DecodingError
TimeoutException = httpx.TimeoutException
ConnectTimeout = httpx.ConnectTimeout


class Disconnected(httpx.RemoteProtocolError):
    """The connection ended before a byte of the answer came, as kept connections do."""


# Vendors send long header lists (limits, traces, policies); a line beyond this is no honest answer.
MAX_HEADER_BYTES = 64 * 1024
MAX_CONNECTIONS = 1000
# Shorter than what servers commonly allow, so that a kept connection is rarely closed under a
# request.
KEEPALIVE_SECONDS = 15.0
READ_BUFFER_BYTES = 256 * 1024
# Up to this a request goes out at once: the buffers of a connection hold as much.
PIECE_BYTES = 128 * 1024
# What aiohttp would add of its own.
_ADDED = frozenset(("user-agent", "accept", "accept-encoding", "content-type"))
# After the last event the upstream gets this long to end its answer.
DRAIN_SECONDS = 1.0


@cache
def _errors() -> dict[type[BaseException], type[httpx.TransportError]]:
    """What may be raised below the seam as what it is above it: from the most special to the most
    general, the first that matches wins."""
    # imported by the first failure, or by the first SOCKS proxy
    from aiohttp_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError

    return {
        aiohttp.ClientHttpProxyError: httpx.ProxyError,
        aiohttp.ClientProxyConnectionError: httpx.ProxyError,
        ProxyTimeoutError: httpx.ConnectTimeout,
        ProxyConnectionError: httpx.ProxyError,
        ProxyError: httpx.ProxyError,
        aiohttp.ConnectionTimeoutError: httpx.ConnectTimeout,
        aiohttp.ServerTimeoutError: httpx.ReadTimeout,
        aiohttp.ClientConnectorError: httpx.ConnectError,
        aiohttp.ClientSSLError: httpx.ConnectError,
        aiohttp.InvalidURL: httpx.UnsupportedProtocol,
        aiohttp.ServerDisconnectedError: Disconnected,
        aiohttp.ClientPayloadError: httpx.RemoteProtocolError,
        aiohttp.ClientResponseError: httpx.RemoteProtocolError,
        aiohttp.ClientConnectionError: httpx.ReadError,
        aiohttp.ClientError: httpx.NetworkError,
        asyncio.TimeoutError: httpx.ReadTimeout,
        OSError: httpx.ReadError,
    }


def _failures() -> tuple[type[BaseException], ...]:
    """What to catch; asked for when something was raised."""
    return tuple(_errors())


def _told(error: BaseException, request: httpx.Request, answered: bool) -> httpx.TransportError:
    """aiohttp's error as httpx's; the text never says where to: URLs hold secrets.

    ``answered``: the answer has begun, so that a broken connection is no unanswered one.
    """
    wanted = next(each for kind, each in _errors().items() if isinstance(error, kind))
    if wanted is httpx.ReadError and not answered:
        wanted = Disconnected
    return wanted(_SAID.get(wanted, "connection lost"), request=request)


_SAID: dict[type[httpx.TransportError], str] = {
    httpx.ProxyError: "the proxy refused or could not be reached",
    httpx.ConnectTimeout: "no connection within the time allowed",
    httpx.ReadTimeout: "no answer within the time allowed",
    httpx.ConnectError: "could not connect",
    httpx.UnsupportedProtocol: "not an http or https address",
    Disconnected: "the connection was closed before the answer",
    httpx.RemoteProtocolError: "the answer is cut short or no HTTP",
    httpx.ReadError: "the connection broke",
}


class _Body(httpx.AsyncByteStream):
    """The answer's bytes as they arrive, one item for what one read brought."""

    def __init__(self, answer: aiohttp.ClientResponse, request: httpx.Request) -> None:
        self._answer = answer
        self._request = request

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._answer.content.readany()
        except _failures() as error:
            raise _told(error, self._request, answered=True) from error
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        # A body that was not read to its end closes its connection: the upstream stops working at
        # once.
        if self._answer.content.at_eof():
            self._answer.release()
        else:
            self._answer.close()


class _Prepared(httpx.Request):
    """A request whose headers become httpx's when somebody looks at them; aiohttp takes ``plain``.

    ``plain`` holds no length; a host only where it is not the address's own.
    """

    def __init__(
        self, method: str, url: str, plain: Mapping[str, str], body: bytes, limits: dict[str, Any]
    ) -> None:
        # Given as content, httpx would look for a form in it and for each header once more; read
        # from the stream, it would be put together again.
        stream = httpx.ByteStream(body)
        parsed, self.address = _parsed(url)
        super().__init__(method, parsed, stream=stream, extensions=limits)
        self.body = body
        self.plain = plain
        del self.headers

    @property
    def content(self) -> bytes:
        return self.body

    def read(self) -> bytes:
        return self.body

    def __getattr__(self, name: str) -> Any:
        if name != "headers":
            raise AttributeError(name)
        self.headers = httpx.Headers(_complete(self.url, self.plain, self.content, self.method))
        return self.headers

    @property
    def looked_at(self) -> bool:
        """Whether its headers may be other than ``plain``."""
        return "headers" in self.__dict__


class _Answered(httpx.Response):
    """An answer whose headers become httpx's when somebody looks at them."""

    def __init__(self, answer: aiohttp.ClientResponse, request: httpx.Request) -> None:
        self._body = _Body(answer, request)
        super().__init__(answer.status, stream=self._body, request=request)
        self.raw = answer.raw_headers
        self.found = _found(self.raw)
        del self.headers

    def __getattr__(self, name: str) -> Any:
        if name != "headers":
            raise AttributeError(name)
        self.headers = httpx.Headers(self.raw)
        return self.headers

    async def aclose(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            await self._body.aclose()


class AiohttpTransport(httpx.AsyncBaseTransport):
    """httpx's transport interface over one aiohttp session.

    ``proxy`` is an http, https, socks5 or socks5h URL or None. Timeouts come with each request in
    ``extensions["timeout"]``: ``connect``, ``read`` (silence, in seconds), ``write`` (of a piece of
    the request), ``pool``.
    """

    def __init__(self, proxy: str | None = None, verify: ssl.SSLContext | None = None) -> None:
        self._proxy = proxy
        self._verify = verify
        self._session: aiohttp.ClientSession | None = None

    def _connector(self) -> aiohttp.BaseConnector:
        limits: dict[str, Any] = {
            "limit": MAX_CONNECTIONS,
            "keepalive_timeout": KEEPALIVE_SECONDS,
            "ssl": self._verify or True,
        }
        if self._proxy and self._proxy.startswith("socks"):
            from aiohttp_socks import ProxyConnector

            # Names are resolved at the proxy: the gateway's own resolver may not know them.
            return ProxyConnector.from_url(
                self._proxy.replace("socks5h:", "socks5:", 1), rdns=True, **limits
            )
        return aiohttp.TCPConnector(**limits)

    def _open(self) -> aiohttp.ClientSession:
        """The session, made at first use: it belongs to the loop that runs then."""
        if self._session is None:
            http = self._proxy if self._proxy and self._proxy.startswith("http") else None
            self._session = aiohttp.ClientSession(
                connector=self._connector(),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                proxy=http,
                read_bufsize=READ_BUFFER_BYTES,
                max_line_size=MAX_HEADER_BYTES,
                max_field_size=MAX_HEADER_BYTES,
            )
        return self._session

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        session = self._session or self._open()
        timeout = request.extensions.get("timeout", {})
        limits = _waits(timeout.get("pool"), timeout.get("connect"), timeout.get("read"))
        try:
            answer = await _sent(session, request, limits, timeout.get("write"))
        except _failures() as error:
            raise _told(error, request, answered=False) from error
        return _Answered(answer, request)

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()


# The few addresses of a configuration come again with every call; a model in one is the client's.
@lru_cache(maxsize=256)
def _parsed(url: str) -> tuple[httpx.URL, URL]:
    parsed = httpx.URL(url)
    return parsed, _address(parsed)


def _address(url: httpx.URL) -> URL:
    # As it is: what was signed must not be spelt otherwise.
    return URL(str(url), encoded=True)


@lru_cache(maxsize=256)
def _waits(pool: float | None, connect: float | None, read: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=pool, sock_connect=connect, sock_read=read)


async def _sent(
    session: aiohttp.ClientSession,
    request: httpx.Request,
    timeout: aiohttp.ClientTimeout,
    write: float | None,
) -> aiohttp.ClientResponse:
    """The answer to a request, as soon as its head is here."""
    body, headers = request.content, _headers(request)
    address = request.address if isinstance(request, _Prepared) else _address(request.url)
    send = partial(
        session.request,
        request.method,
        address,
        allow_redirects=False,
        timeout=timeout,
        # To be told what to leave out takes it longer than to find all of it there.
        skip_auto_headers=None if headers.keys() >= _ADDED else _ADDED,
    )
    if len(body) <= PIECE_BYTES:
        return await send(headers=headers, data=body or None)
    # aiohttp begins to mind the time when all is sent.
    headers["Content-Length"] = str(len(body))
    try:
        with Deadline(NEVER) as limit:
            return await send(headers=headers, data=_pieces(body, limit, write))
    except TimeoutError:
        if limit.expired:
            words = "the request was not taken within the time allowed"
            raise httpx.WriteTimeout(words, request=request) from None
        raise


async def _pieces(body: bytes, limit: Deadline, write: float | None) -> AsyncIterator[bytes]:
    """A body piece by piece, each of which must be taken in time."""
    for start in range(0, len(body), PIECE_BYTES):
        limit.left(NEVER if write is None else write)
        yield body[start : start + PIECE_BYTES]
    limit.left(NEVER)


def _headers(request: httpx.Request) -> CIMultiDict[str]:
    """The request's headers; the length is left to aiohttp, which counts the body itself."""
    if isinstance(request, _Prepared) and not request.looked_at:
        headers = CIMultiDict(request.plain)
    else:
        raw = request.headers.raw
        headers = CIMultiDict(
            (name.decode("ascii"), value.decode("latin-1")) for name, value in raw
        )
    for name in ("Content-Length", "Transfer-Encoding"):
        headers.popall(name, None)
    return headers


@dataclass(frozen=True, slots=True)
class Limits:
    """Waiting times of one call, in seconds; ``read`` None: somebody else minds the silence."""

    connect: float
    read: float | None
    write: float = 60.0

    def extensions(self) -> dict[str, Any]:
        return {
            "timeout": {
                "connect": self.connect,
                "read": self.read,
                "write": self.write,
                "pool": self.connect,
            }
        }


class Transports:
    """The transports of a gateway, one for each proxy setting, made when first asked for.

    ``given`` stands in for all of them (tests, embedding).
    """

    def __init__(self, given: AsyncBaseTransport | None = None) -> None:
        self._given = given
        self._by_proxy: dict[str | None, AsyncBaseTransport] = {}

    def for_proxy(self, proxy: str | None) -> AsyncBaseTransport:
        """The transport for a proxy URL; None or "" for a direct connection."""
        if self._given is not None:
            return self._given
        key = proxy or None
        transport = self._by_proxy.get(key)
        if transport is None:
            transport = self._by_proxy[key] = AiohttpTransport(key)
        return transport

    async def aclose(self) -> None:
        """Close every connection; calls under way break."""
        for transport in self._by_proxy.values():
            await transport.aclose()
        self._by_proxy.clear()


def prepare(
    url: str, headers: Mapping[str, str], body: bytes, limits: Limits, method: str = "POST"
) -> Request:
    """A request ready for a transport."""
    return _Prepared(method, url, headers, body, limits.extensions())


def _complete(
    url: httpx.URL, headers: Mapping[str, str], body: bytes, method: str
) -> dict[str, str]:
    """Headers with those that httpx makes of an address and a body."""
    own = any(name.lower() == "host" for name in headers)
    made = dict(headers) if own else {"Host": url.netloc.decode("ascii"), **headers}
    if body or method == "POST":
        made["Content-Length"] = str(len(body))
    return made


def header(response: Response, *names: bytes) -> str | None:
    """The value of the first of these headers that an answer has; names in small letters.

    Looking for one in ``response.headers`` goes through all of them, one function call each.
    """
    found = response.found if isinstance(response, _Answered) else _found(response.headers.raw)
    for name in names:
        if name in found:
            return found[name].decode("latin-1")
    return None


def _found(raw: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    return {name.lower(): value for name, value in raw}


async def read_body(response: Response, limit: int) -> bytes:
    """The whole body, decompressed.

    Raises DecodingError, TransportError, and UpstreamError when it is longer than ``limit``.
    """
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks(response):
        size += len(chunk)
        if size > limit:
            raise UpstreamError(f"its answer is longer than {limit} bytes")
        parts.append(chunk)
    return b"".join(parts)


def chunks(response: Response) -> AsyncIterator[bytes]:
    """The body as it arrives, decompressed only when it was compressed."""
    if header(response, b"content-encoding") is not None:
        return response.aiter_bytes()
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream)  # every async transport gives one
    return aiter(stream)


async def drained(arriving: AsyncIterator[bytes]) -> None:
    """Give the upstream a moment to end its answer; its connection is then kept for others."""
    with suppress(TimeoutError, TransportError, DecodingError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in arriving:
                pass
