"""The checks of a provider, sent to it through this gateway without a server between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from engine.gateway.app import Gateway
from engine.gateway.settings import CredentialSettings, RouteOptions, Settings
from engine.gateway.snapshot import Snapshot
from engine.gateway.state import LocalState
from engine.translation import jsontext
from engine.translation.conformance import Check
from engine.translation.formats import Format
from engine.translation.jsontext import JsonError

OK, FAILED, LACKING = "ok", "failed", "not offered"
# Longer than any of the answers that the checks ask for.
MAX_FRAME = 4 * 1024 * 1024
MAX_WORDS = 300
AVOIDING = {"on-loss": "avoid"}


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one check: ``ok``, ``failed`` or ``not offered``, and why."""

    name: str
    outcome: str
    seconds: float
    detail: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON data."""
        shown = {"check": self.name, "outcome": self.outcome, "ms": round(self.seconds * 1000)}
        return {**shown, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class Reply:
    """What the gateway answered in this process."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def alone(settings: Settings, credential: CredentialSettings, patience: float) -> Settings:
    """The settings with this credential and no other: asked by the upstream's own names, once, and
    for nothing that its models are known to lack. ``patience``: seconds for an answer."""
    only = replace(credential, models=(), excluded_models=(), prefix=None, disabled=False)
    return replace(
        settings,
        api_keys=(),
        credentials=(only,),
        notes=(),
        fallbacks={},
        force_model_prefix=False,
        by_capability=False,
        routes=(*map(_avoiding, settings.routes), RouteOptions("*", "*", "*", AVOIDING)),
        max_retries=0,
        bootstrap_retries=0,
        first_event_timeout=patience,
        idle_timeout=patience,
    )


def _avoiding(route: RouteOptions) -> RouteOptions:
    """The options of a route, but that losses are told: they are what is looked for."""
    return replace(route, options={**route.options, **AVOIDING})


class Asker:
    """Sends checks through the gateway to the one credential of a snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    async def check(self, check: Check, model: str) -> Result:
        """What comes of one check with this model."""
        side = self._snapshot.translator.formats[check.format]
        body = {**check.request, "model": check.model or model}
        if check.stream:
            body["stream"] = True
        path = next(route.path for route in side.routes if route.call == "generate")
        started = time.perf_counter()
        reply = await self.ask(path, jsontext.dumps(body))
        seconds = time.perf_counter() - started
        read = _events(reply, side) if check.stream and reply.status < 300 else _document(reply)
        missing = check.missing(reply.status, read)
        lost = reply.headers.get("x-ai-proxy-losses")
        words = f"lost {lost}" if lost else ""
        if not missing:
            return Result(check.name, OK, seconds, words)
        said = self._said(reply, read, side)
        if reply.status == 400 and reply.headers.get("x-ai-proxy-attempts") == "0":
            return Result(check.name, LACKING, seconds, said)
        lacking = f"without {', '.join(missing)}" if reply.status < 300 else f"{reply.status}"
        detail = "; ".join(each for each in (lacking, said, words) if each)
        return Result(check.name, FAILED, seconds, detail)

    async def ask(self, path: str, body: bytes) -> Reply:
        """One call of a client."""
        status, headers, parts = 0, dict[str, str](), list[bytes]()
        given = asyncio.Event()

        async def receive() -> dict[str, Any]:
            if given.is_set():
                await asyncio.Future()  # the client stays
            given.set()
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers.update(
                    (k.decode().lower(), v.decode("latin-1")) for k, v in message["headers"]
                )
            else:
                parts.append(message.get("body", b""))

        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": b"",
            "headers": [(b"content-type", b"application/json"), (b"x-debug", b"true")],
            "client": ("127.0.0.1", 0),
        }
        # each call is the first of its gateway: nobody rests after a failure
        await Gateway(self._snapshot, LocalState())(scope, receive, send)
        return Reply(status, headers, b"".join(parts))

    def _said(self, reply: Reply, read: Any, side: Format) -> str:
        """The words of an error, in an answer or in a stream."""
        errors = [each for each in (read if isinstance(read, list) else [read]) if _is_error(each)]
        if not errors and reply.status < 300:
            return ""
        error = self._snapshot.translator.error(
            max(reply.status, 400), errors[0] if errors else read, side.name, side.name
        )
        return str(error.error["message"])[:MAX_WORDS]


def _is_error(document: Any) -> bool:
    return isinstance(document, dict) and bool(document.get("error"))


def _document(reply: Reply) -> Any:
    try:
        return jsontext.loads(reply.body)
    except JsonError:
        return reply.body.decode("utf-8", "replace")


def _events(reply: Reply, side: Format) -> list[Any]:
    reader = side.framing.kind.reader(MAX_FRAME)
    events = []
    for _, raw in [*reader.feed(reply.body), *reader.close()]:
        with suppress(JsonError):
            events.append(jsontext.loads(raw))
    return events
