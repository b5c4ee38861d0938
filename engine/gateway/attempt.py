"""One upstream call for one client call: prepare, send, and relay what comes back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from engine.errors import Rejected, UpstreamError
from engine.gateway import payload
from engine.gateway.call import Call, Prepared
from engine.gateway.cloak import Cloak
from engine.gateway.context import Context
from engine.gateway.credentials import Credential, redact
from engine.gateway.exchange import Exchange
from engine.gateway.failures import Failure
from engine.gateway.passthrough import PassThrough, renamed
from engine.gateway.relay import Relay
from engine.gateway.replies import Replies
from engine.gateway.routing import Candidate
from engine.gateway.snapshot import Snapshot
from engine.gateway.upstream import (
    BadAnswer,
    DecodingError,
    Disconnected,
    Limits,
    Response,
    TimeoutException,
    TransportError,
    prepare,
    read_body,
)
from engine.gateway.version import VERSION
from engine.translation import jsontext
from engine.translation.jsontext import JsonError
from engine.translation.streams import Stream

USER_AGENT = f"ai-proxy/{VERSION}"
CARRIED = b"gw1."
MAX_FEATURES_LENGTH = 4096
_FEATURE = re.compile(r"[A-Za-z0-9._-]+")
ERROR_BODY_BYTES = 1024 * 1024


class Attempts:
    """The upstream calls of one client call."""

    def __init__(
        self, call: Call, snapshot: Snapshot, exchange: Exchange, replies: Replies
    ) -> None:
        self._call = call
        self._snapshot = snapshot
        self._exchange = exchange
        self._replies = replies
        self._prepared: dict[tuple[str, str, str], Prepared | Rejected] = {}

    def prepare(self, candidate: Candidate) -> Prepared:
        """The upstream request, made once per provider, cloak, wire and model. Raises Rejected."""
        credential = candidate.credential
        # A cloak belongs to its credential; all else is the same for those of a provider.
        owner = credential.provider.name if credential.cloak.mode == "never" else credential.id
        key = (owner, credential.wire(self._call.format.name), candidate.model)
        prepared = self._prepared.get(key)
        if prepared is None:
            try:
                prepared = self._prepare(candidate)
            except Rejected as refusal:
                prepared = refusal
            self._prepared[key] = prepared
        if isinstance(prepared, Rejected):
            raise prepared
        return prepared

    def _prepare(self, candidate: Candidate) -> Prepared:
        call, provider = self._call, candidate.credential.provider
        wire = candidate.credential.wire(call.format.name)
        # A path of its own is one of the provider's usual format.
        path = provider.path if wire == provider.format else None
        rules = self._snapshot.payload.applying(candidate.model, wire)
        cloak = self._cloak(candidate.credential)
        if not rules and cloak is None and self._is_same(candidate):
            version = call.format.api_versions
            headers = dict(provider.headers)
            asked = provider.api_version or version.default
            if version.header and asked:
                headers[version.header] = asked
            body = call.raw
            if call.format.model_in == "body.model":
                body = renamed(call.raw, call.body, candidate.model)
            path = path or call.format.upstream_path(candidate.model, call.stream)
            return Prepared(wire, path, headers, body, None, (), True)
        options = self._snapshot.options(call.model, call.format.name, call.context.key or "")
        request = self._snapshot.translator.request(
            call.body,
            source=call.format.name,
            target=wire,
            provider=provider.name,
            model=candidate.model,
            stream=call.stream,
            headers=dict(call.headers),
            options=options,
            edit=None if cloak is None else cloak.edit,
        )
        if request.losses and options.get("on-loss") == "reject":
            lost = request.losses[0]
            raise Rejected(f"{lost.reason} (this route refuses losses)", lost.path)
        changed, _ = payload.apply(rules, request.body)
        body = jsontext.dumps(changed)
        if path is None:
            upstream = self._snapshot.translator.formats[wire]
            path = upstream.upstream_path(candidate.model, call.stream)
        losses = request.losses
        return Prepared(wire, path, request.headers, body, request.plan, losses, False, cloak)

    def _cloak(self, credential: Credential) -> Cloak | None:
        call, provider = self._call, credential.provider
        if not credential.cloak.active(credential.wire(call.format.name) != call.format.name):
            return None
        client = self._snapshot.keyring.digest(call.context.key)
        return Cloak(credential.cloak, "".join(credential.secrets), client, provider.name)

    def _is_same(self, candidate: Candidate) -> bool:
        """Whether the client's bytes can go to this upstream as they are."""
        call, provider = self._call, candidate.credential.provider
        if candidate.credential.wire(call.format.name) != call.format.name or CARRIED in call.raw:
            return False
        # Quirks say where a server differs; those of the format's own vendor say what the format
        # is.
        if provider.quirks and provider.name != call.format.default_provider:
            return False
        versions = call.format.api_versions
        if versions.header is None:
            return True
        asked = call.headers.get(versions.header, versions.default)
        return asked == (provider.api_version or versions.default)

    # -- calling

    async def make(self, candidate: Candidate) -> Failure | None:
        """Call the upstream and relay its answer: None when the client has it, else why not."""
        prepared = self.prepare(candidate)
        call, credential = self._call, candidate.credential
        context, settings = call.context, self._snapshot.settings
        context.attempts += 1
        context.provider, context.credential = credential.provider.name, credential.name
        context.upstream_model = candidate.model
        request = prepare(
            credential.url(prepared.path, prepared.wire),
            {
                "content-type": "application/json",
                "accept": call.format.content_type if call.stream else "application/json",
                "accept-encoding": "identity",
                "user-agent": USER_AGENT,
                "x-request-id": context.id,
                **prepared.headers,
                **credential.headers[prepared.wire],
                **_features(call, credential.headers[prepared.wire], prepared.wire),
            },
            prepared.body,
            Limits(settings.connect_timeout, settings.first_event_timeout),
        )
        transport = self._snapshot.transport(credential)
        relay: Relay | None = None
        try:
            async with asyncio.timeout(settings.first_event_timeout) as limit:
                response = await transport.handle_async_request(request)
                try:
                    _note_request_id(context, response)
                    if response.status_code >= 300:
                        return await self._refused(response, candidate, prepared)
                    if call.stream and _is_stream(response):
                        relay = self._relay(response, candidate, prepared)
                        error = await relay.run(limit, settings.idle_timeout)
                        return None if error is None else self._reported(error, prepared.cloak)
                    return await self._whole(response, candidate, prepared)
                finally:
                    await response.aclose()
        except (TimeoutError, TransportError, DecodingError, UpstreamError) as error:
            failure = self._broken(error)
            if relay is None or not relay.begun:
                return failure
            await relay.fail(failure.kind, failure.message, failure.status)
            return None
        finally:
            if relay is not None:
                context.usage = relay.stream.usage
                if relay.stream.error is not None:
                    context.error = relay.stream.error["kind"]
                context.losses = len(prepared.losses) + len(relay.stream.losses)

    def _relay(self, response: Response, candidate: Candidate, prepared: Prepared) -> Relay:
        call, provider = self._call, candidate.credential.provider
        translator = self._snapshot.translator
        stream: Stream | PassThrough
        if prepared.same:
            observer = translator.stream(
                source=prepared.wire,
                target=call.format.name,
                request=call.body,
                provider=provider.name,
            )
            stream = PassThrough(observer, call.format.sse, (candidate.model, call.model))
        else:
            stream = translator.stream(
                source=prepared.wire,
                target=call.format.name,
                plan=prepared.plan,
                provider=provider.name,
            )
            if prepared.cloak is not None and prepared.cloak.restores:
                stream.through(prepared.cloak.stage())
        headers = self._replies.headers(
            response, prepared.losses, self._snapshot.settings.passthrough_headers
        )
        return Relay(self._exchange, self._replies, response, stream, headers)

    async def _whole(
        self, response: Response, candidate: Candidate, prepared: Prepared
    ) -> Failure | None:
        call, provider = self._call, candidate.credential.provider
        raw = await read_body(response, self._snapshot.settings.max_answer)
        try:
            document = jsontext.loads(raw)
        except JsonError:
            document = None
        if not isinstance(document, dict):
            return self._failure("garbage", "upstream", "the upstream's answer is no JSON object")
        answer = self._snapshot.translator.response(
            document,
            source=prepared.wire,
            target=call.format.name,
            provider=provider.name,
            plan=prepared.plan,
            request=call.body,
        )
        if answer.error is not None:
            return self._reported(answer.error, prepared.cloak)
        if call.stream:
            return self._failure("garbage", "upstream", "the upstream did not stream its answer")
        losses = [*prepared.losses, *([] if prepared.same else answer.losses)]
        call.context.usage, call.context.losses = answer.usage, len(losses)
        if not prepared.same:
            body = jsontext.dumps(answer.body)
            if prepared.cloak is not None:
                body = prepared.cloak.restored(body)
        elif document.get("model") == candidate.model != call.model:
            body = renamed(raw, document, call.model)
        else:
            body = raw
        headers = self._replies.headers(
            response, losses, self._snapshot.settings.passthrough_headers
        )
        await self._replies.whole(body, headers)
        return None

    # -- failures

    async def _refused(
        self, response: Response, candidate: Candidate, prepared: Prepared
    ) -> Failure:
        """An HTTP error: its words in the client's envelope, without the gateway's secrets."""
        credential = candidate.credential
        raw = await read_body(response, ERROR_BODY_BYTES)
        text = redact(raw.decode("utf-8", "replace"), credential.secrets)
        text = text if prepared.cloak is None else prepared.cloak.restore(text)
        try:
            body = jsontext.loads(text)
        except JsonError:
            body = text
        # A redirect is nothing that a client could follow: it holds no key for there.
        status = response.status_code if response.status_code >= 400 else 502
        answer = self._snapshot.translator.error(
            status,
            body,
            source=prepared.wire,
            target=self._call.format.name,
            headers=dict(response.headers),
        )
        return Failure("answer", answer.kind, text, status, answer.retry_after, answer)

    def _reported(self, error: dict[str, Any], cloak: Cloak | None) -> Failure:
        """An error that the upstream told inside an answer of status 200."""
        kind, message = error["kind"], error["message"]
        message = message if cloak is None else cloak.restore(message)
        answer = self._snapshot.translator.fault(
            kind,
            message,
            target=self._call.format.name,
            status=error.get("status"),
            retry_after=error.get("retry_after"),
            request_id=self._call.context.id,
        )
        return Failure("event", kind, message, answer.status, error.get("retry_after"), answer)

    def _failure(self, cause: str, kind: str, message: str) -> Failure:
        answer = self._snapshot.translator.fault(
            kind, message, target=self._call.format.name, request_id=self._call.context.id
        )
        return Failure(cause, kind, message, answer.status, None, answer)

    def _broken(self, error: Exception) -> Failure:
        """A call that ended without an answer.

        No text names an address: they are the operator's.
        """
        if isinstance(error, UpstreamError):
            return self._failure("garbage", error.kind, f"upstream: {error.message}")
        if isinstance(error, (TimeoutError, TimeoutException)):
            return self._failure(
                "timeout", "upstream-timeout", "the upstream did not answer within the time allowed"
            )
        if isinstance(error, Disconnected):
            return self._failure("closed", "upstream", f"upstream: {error}")
        if isinstance(error, (DecodingError, BadAnswer)):
            return self._failure("garbage", "upstream", "the upstream's answer cannot be read")
        return self._failure("connect", "upstream", f"upstream: {error}")


def _features(call: Call, own: Mapping[str, str], wire: str) -> dict[str, str]:
    """The optional features that the client asks for, with those that the operator set."""
    name = call.format.headers.get("betas")
    if name is None or wire != call.format.name:
        return {}
    asked = f"{own.get(name, '')},{call.headers.get(name, '')}"
    words = (word.strip() for word in asked[:MAX_FEATURES_LENGTH].split(","))
    known = dict.fromkeys(word for word in words if _FEATURE.fullmatch(word))
    return {name: ",".join(known)} if known else {}


def _is_stream(response: Response) -> bool:
    kind: str = response.headers.get("content-type", "")
    # Some servers stream under no type or a wrong one; only a plain document is none for certain.
    return not kind.lower().startswith("application/json")


def _note_request_id(context: Context, response: Response) -> None:
    for name in ("x-request-id", "request-id"):
        if name in response.headers:
            context.upstream_request_id = response.headers[name][:200]
            return
