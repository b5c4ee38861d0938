"""`/admin`: what the operator may see and do. Nothing here shows a secret."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from engine.errors import Rejected, UpstreamError
from engine.gateway import dryrun
from engine.gateway.auth import Keyring
from engine.gateway.exchange import (
    BodyTooLarge,
    BodyTooSlow,
    ClientGone,
    Receive,
    Send,
    read_body,
)
from engine.gateway.settings import is_loopback
from engine.translation import jsontext
from engine.translation.jsontext import JsonError

if TYPE_CHECKING:
    from engine.gateway.app import Gateway

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


class Admin:
    """The admin routes behind their guard: the admin key, or without one this machine alone."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._router = Router(
            [
                Route("/config", self._config),
                Route("/metrics", self._metrics),
                Route("/models", self._models),
                Route("/credentials", self._credentials),
                Route("/translate", self._translate, methods=["POST"]),
                Route("/reload", self._reload, methods=["GET", "POST"]),
            ]
        )

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        refused = self._refused(Request(dict(scope)))
        app: Any = self._router if refused is None else refused
        await app(scope, receive, send)

    def _refused(self, request: Request) -> Response | None:
        key = self._gateway.snapshot.settings.admin_key
        if key is not None:
            headers = {name.lower(): value for name, value in request.headers.items()}
            if Keyring([key]).identify(headers, b"") is None:
                return _error(401, "the admin key is missing or wrong")
            return None
        if not _is_local(request):
            return _error(
                403, "without admin-key only this machine may ask, and not through a proxy"
            )
        return None

    async def _config(self, request: Request) -> Response:
        return JSONResponse(dict(self._gateway.snapshot.settings.document))

    async def _metrics(self, request: Request) -> Response:
        return JSONResponse(self._gateway.metrics.document())

    async def _models(self, request: Request) -> Response:
        rows = [
            {
                "id": model.id,
                "provider": model.credential.provider.name,
                "owned_by": model.credential.provider.name,
                "credential": model.credential.name,
                "upstream_model": model.upstream_model,
            }
            for model in self._gateway.snapshot.router.listed()
        ]
        return JSONResponse({"models": rows})

    async def _credentials(self, request: Request) -> Response:
        resting = await self._gateway.state.resting()
        now = time.time()
        rows = []
        for credential in self._gateway.snapshot.router.credentials:
            rests = [
                {
                    "model": key.partition("|")[2] or None,
                    "seconds": round(cooldown.until - now, 1),
                    "kind": cooldown.kind,
                }
                for key, cooldown in resting.items()
                if key.partition("|")[0] == credential.id
            ]
            rows.append(
                {
                    "name": credential.name,
                    "provider": credential.provider.name,
                    "id": credential.id,
                    "weight": credential.weight,
                    "rests": rests,
                }
            )
        return JSONResponse({"credentials": rows, "off": list(self._gateway.snapshot.notes)})

    async def _translate(self, request: Request) -> Response:
        snapshot = self._gateway.snapshot
        try:
            raw = await read_body(request.receive, request.headers, snapshot.settings.body_limit)
            result = await asyncio.to_thread(dryrun.run, jsontext.loads(raw), snapshot)
        except BodyTooLarge:
            return _error(413, "the body is larger than body-limit-mb")
        except BodyTooSlow:
            return _error(408, "the body did not arrive in time")
        except ClientGone:
            return _error(400, "the body is not complete")
        except JsonError as error:
            return _error(400, f"the body is not JSON: {error}")
        except Rejected as refusal:
            path = {} if refusal.path is None else {"path": refusal.path}
            return _error(refusal.status, str(refusal), **path)
        except UpstreamError as error:
            return _error(422, f"the recorded answer: {error.message}")
        return Response(jsontext.dumps(result), media_type="application/json")

    async def _reload(self, request: Request) -> Response:
        reloader = self._gateway.reloader
        if reloader is None:
            return _error(404, "this gateway was not started from a file")
        if request.method == "POST":
            await reloader.reload(force=True)
        return JSONResponse(asdict(reloader.status))


def _is_local(request: Request) -> bool:
    """Whether the request comes from this machine and from no web page or proxy on it."""
    peer = request.client.host if request.client else ""
    host = request.headers.get("host", "")
    name = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    return (
        is_loopback(peer)
        and is_loopback(name)
        and "origin" not in request.headers
        and not any(header in request.headers for header in _FORWARDED)
    )


def _error(status: int, message: str, **more: str) -> Response:
    return JSONResponse({"error": {"message": message, **more}}, status_code=status)
