"""The ASGI application: probes, and one bare callable for everything the wire formats serve."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Scope
from starlette.types import Receive as ASGIReceive
from starlette.types import Send as ASGISend

from engine.errors import Rejected
from engine.gateway import call as calls
from engine.gateway.admin import Admin
from engine.gateway.attempt import STOPPING
from engine.gateway.call import Call
from engine.gateway.context import Context, client_address
from engine.gateway.dispatch import Dispatcher
from engine.gateway.exchange import (
    BodyTooLarge,
    BodyTooSlow,
    ClientGone,
    Exchange,
    Receive,
    Send,
    read_body,
)
from engine.gateway.ingress import Match
from engine.gateway.metrics import Metrics, wants_text
from engine.gateway.reload import Reloader
from engine.gateway.replies import JSON, Replies, envelope_headers
from engine.gateway.routing import ListedModel
from engine.gateway.settings import Settings
from engine.gateway.snapshot import Snapshot, build
from engine.gateway.state import LocalState, State
from engine.gateway.upstream import AsyncBaseTransport, Transports
from engine.gateway.version import VERSION
from engine.translation import jsontext
from engine.translation.translator import Translator

log = logging.getLogger("engine.gateway")

CLIENT_CLOSED = 499
OWN_PATHS = frozenset(("/", "/health", "/ready", "/metrics"))
ADMIN = "/admin/"

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


class Gateway:
    """A serving gateway: the live snapshot, and what outlives it."""

    def __init__(self, snapshot: Snapshot, state: State) -> None:
        self.snapshot = snapshot
        self.state = state
        self.metrics = Metrics()
        self.reloader: Reloader | None = None
        self.dispatcher = Dispatcher(state)

    def swap(self, snapshot: Snapshot) -> None:
        """Serve by another snapshot from now on; requests under way keep theirs."""
        self.snapshot = snapshot

    async def ready(self) -> bool:
        """Whether some credential could be used now."""
        ids = [credential.id for credential in self.snapshot.router.credentials]
        return len(await self.state.cooling(ids)) < len(ids)

    # -- the hot path: a bare ASGI callable

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        snapshot = self.snapshot
        headers = _headers(scope)
        # The server leaves out the body of an answer to HEAD.
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        path = scope["path"]
        context = Context(
            method=scope["method"],
            path=path,
            client=client_address(
                scope.get("client"),
                headers.get("x-forwarded-for"),
                snapshot.settings.trusted_proxies,
            ),
        )
        matches = snapshot.ingress.find(method, path, headers, scope["query_string"])
        match = matches[0] if matches else None
        format = match.format if match else snapshot.ingress.belongs(path, headers)
        context.format = format.name
        exchange = Exchange(send, receive, context, envelope_headers(format, context.id))
        as_array = match is not None and match.route.call == "generate" and match.as_array()
        replies = Replies(snapshot.translator, format, exchange, as_array)
        try:
            if match is None:
                await replies.fault("unknown-path", f"there is no {path} here")
            elif match.route.method != method:
                allowed = sorted({found.route.method for found in matches})
                exchange.headers.append((b"allow", ", ".join(allowed).encode()))
                await replies.fault("method", f"{path} takes {' and '.join(allowed)}, not {method}")
            else:
                key = snapshot.keyring.identify(headers, scope["query_string"])
                if key is None:
                    await replies.fault(
                        "auth", "the API key is missing or not known to this gateway"
                    )
                else:
                    context.key = key
                    await self._serve(match, headers, exchange, replies, snapshot)
        except ClientGone:
            context.status, context.error = CLIENT_CLOSED, "gone"
        except asyncio.CancelledError:
            # The server stops and waits no longer; this task ends here in any case.
            kind, words, _ = STOPPING
            context.error = kind
            if not exchange.finished:
                await replies.fault(kind, words)
        except Exception:
            # The outermost guard: a defect is logged here and never shown to a client.
            log.exception("defect", extra={"fields": {"id": context.id}})
            context.error = "internal"
            if not exchange.finished:
                await replies.fault(
                    "internal", f"the gateway failed; its log has request {context.id}"
                )
        finally:
            if match is not None and (match.route.method, match.route.call) == (method, "generate"):
                self.metrics.observe(context)
            context.write()

    async def _serve(
        self,
        match: Match,
        headers: Mapping[str, str],
        exchange: Exchange,
        replies: Replies,
        snapshot: Snapshot,
    ) -> None:
        kind = match.route.call
        if kind == "generate":
            call = await self._read(match, headers, exchange, replies, snapshot)
            if call is not None:
                replies.knows(call)
                await self._generate(call, exchange, replies, snapshot)
        elif kind == "models":
            rows = [_row(model, snapshot) for model in snapshot.router.listed()]
            body = snapshot.translator.listings.whole(rows, match.format.name)
            await replies.whole(jsontext.dumps(body), [])
        elif kind == "model":
            await self._model(match, replies, snapshot)
        else:
            words = f"this gateway does not serve {match.route.path}"
            await replies.fault("unserved", words, final=True)

    async def _model(self, match: Match, replies: Replies, snapshot: Snapshot) -> None:
        for model in snapshot.router.listed():
            if model.id == match.model:
                body = snapshot.translator.listings.entry(_row(model, snapshot), match.format.name)
                await replies.whole(jsontext.dumps(body), [])
                return
        await replies.fault("not-found", f"model not found: {match.model}", param="model")

    async def _read(
        self,
        match: Match,
        headers: Mapping[str, str],
        exchange: Exchange,
        replies: Replies,
        snapshot: Snapshot,
    ) -> Call | None:
        """The call, or None when the client has been told what is wrong with it."""
        limit = snapshot.settings.body_limit
        try:
            raw = await read_body(exchange.receive, headers, limit)
            return calls.read(match, raw, headers, exchange.context)
        except BodyTooLarge:
            exchange.headers.append((b"connection", b"close"))
            words = f"the body is larger than the {limit / 1024 / 1024:g} MiB allowed here"
            await replies.fault("too-large", words)
        except BodyTooSlow:
            exchange.headers.append((b"connection", b"close"))
            await replies.fault("timeout", "the body did not arrive in time")
        except Rejected as refusal:
            await replies.fault(
                refusal.kind, str(refusal), status=refusal.status, param=refusal.path
            )
        return None

    async def _generate(
        self, call: Call, exchange: Exchange, replies: Replies, snapshot: Snapshot
    ) -> None:
        settings, format = snapshot.settings, call.format
        call.context.model, call.context.stream = call.model, call.stream
        async with exchange:
            if call.stream:
                exchange.watch(
                    settings.keepalive,
                    format.keepalive,
                    call.stream_type,
                    settings.write_timeout,
                )
            else:
                exchange.watch(settings.non_stream_keepalive, b" ", JSON, settings.write_timeout)
            await self.dispatcher.run(call, snapshot, exchange, replies)


def _headers(scope: Mapping[str, Any]) -> dict[str, str]:
    raw = scope["headers"]
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}
    if len(headers) < len(raw):
        # Lines of one name are one list; of keys that differ neither is taken.
        for name in headers:
            lines = [value for key, value in raw if key == name.encode("latin-1")]
            headers[name] = b", ".join(lines).decode("latin-1")
    return headers


def _row(model: ListedModel, snapshot: Snapshot) -> dict[str, Any]:
    return {"id": model.id, "created": snapshot.built, "owner": model.credential.provider.name}


def create_app(
    settings: Settings,
    transport: AsyncBaseTransport | None = None,
    translator: Translator | None = None,
    state: State | None = None,
    source: Path | None = None,
    host: str | None = None,
) -> Starlette:
    """The application for a configuration. ``transport`` stands in for the network.

    ``source`` is the configuration's file, watched for changes when given; ``host`` where the
    server listens. Raises ConfigError and MappingError: what does not hold is never served.
    """
    transports = Transports(transport)
    state = state or LocalState(bounds=settings.bounds)
    gateway = Gateway(build(settings, transports, translator), state)

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok", "version": VERSION})

    async def ready(request: Request) -> Response:
        usable = await gateway.ready()
        return JSONResponse({"ready": usable}, status_code=200 if usable else 503)

    async def metrics(request: Request) -> Response:
        if wants_text(request.headers.get("accept", "")):
            text, content_type = gateway.metrics.text()
            return Response(text, headers={"content-type": content_type})
        return JSONResponse(gateway.metrics.document())

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        for note in gateway.snapshot.notes:
            log.info(note)
        watching: asyncio.Task[None] | None = None
        if source is not None:
            gateway.reloader = Reloader(
                source, host or settings.host, gateway.snapshot, gateway.swap
            )
            watching = asyncio.create_task(gateway.reloader.run())
        log.info("serving", extra={"fields": {"process": os.getpid()}})
        try:
            yield
        finally:
            if watching is not None:
                watching.cancel()
                await asyncio.wait([watching])
            await transports.aclose()
            gateway.state.close()

    app = _Application(
        _cors(settings, gateway),
        routes=[
            Route("/health", health, methods=["GET"]),
            Route("/ready", ready, methods=["GET"]),
            Route("/metrics", metrics, methods=["GET"]),
            Route("/", health, methods=["GET"]),
            Mount("/admin", app=Admin(gateway)),
        ],
        lifespan=lifespan,
    )
    app.state.gateway = gateway
    return app


class _Application(Starlette):
    """Takes the calls of clients past the routing and error handling of the rest."""

    def __init__(self, calls: ASGIApp, routes: Sequence[BaseRoute], lifespan: Lifespan) -> None:
        super().__init__(
            routes=routes, lifespan=lifespan, exception_handlers={HTTPException: _unserved}
        )
        self._calls = calls

    async def __call__(self, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or path in OWN_PATHS or path.startswith(ADMIN):
            await super().__call__(scope, receive, send)
        else:
            await self._calls(scope, receive, send)


async def _unserved(request: Request, error: Exception) -> Response:
    """A path or method that the gateway's own pages do not have, told as they tell errors."""
    assert isinstance(error, HTTPException)
    path, words, headers = request.url.path, error.detail, {}
    if error.status_code == 404:
        words = f"there is no {path} here"
    elif error.headers and "Allow" in error.headers:
        allowed = ", ".join(sorted(error.headers["Allow"].split(", ")))
        words, headers = f"{path} takes {allowed}, not {request.method}", {"allow": allowed}
    return JSONResponse({"error": {"message": words}}, error.status_code, headers)


def _cors(settings: Settings, gateway: Gateway) -> ASGIApp:
    """The gateway, open to pages of the configured origins; nothing else here ever is."""
    if not settings.cors_origins:
        return gateway
    return CORSMiddleware(
        gateway,
        allow_origins=list(settings.cors_origins),
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
        expose_headers=["x-request-id", "request-id", "x-ai-proxy-losses", "retry-after"],
    )
