"""The upstream calls of one client call: send, and relay what comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from engine.errors import Rejected, UpstreamError
from engine.gateway.array import ArrayStream
from engine.gateway.call import Call, Prepared
from engine.gateway.cloak import Cloak
from engine.gateway.credentials import redact
from engine.gateway.deadline import NEVER, Deadline
from engine.gateway.exchange import Exchange
from engine.gateway.failures import Failure
from engine.gateway.lanes import Lane
from engine.gateway.memory import Memory
from engine.gateway.passthrough import PassThrough
from engine.gateway.prepare import Preparing
from engine.gateway.relay import Relay
from engine.gateway.replies import Replies
from engine.gateway.routing import Candidate
from engine.gateway.snapshot import Snapshot
from engine.gateway.upstream import (
    BadAnswer,
    DecodingError,
    Disconnected,
    Response,
    TimeoutException,
    TransportError,
    chunks,
    drained,
    header,
    prepare,
    read_body,
)
from engine.translation import jsontext
from engine.translation.jsontext import JsonError
from engine.translation.losses import Loss

ERROR_BODY_BYTES = 1024 * 1024
# What is told where an answer is given up because the server stops: kind, words, status.
STOPPING = ("overloaded", "the gateway is stopping", 503)


class Attempts:
    """The upstream calls of one client call."""

    def __init__(
        self,
        call: Call,
        snapshot: Snapshot,
        exchange: Exchange,
        replies: Replies,
        memory: Memory,
    ) -> None:
        self._call = call
        self._snapshot = snapshot
        self._exchange = exchange
        self._replies = replies
        self._memory = memory
        self._preparing = Preparing(call, snapshot)

    async def prepare(self, candidate: Candidate) -> Prepared:
        """The upstream request, with what the client lost of it. Raises Rejected."""
        if self._memory.blank:
            return self._preparing.prepare(candidate)
        wanted = self._preparing.wanted(candidate)
        found = await self._memory.recall(wanted) if wanted else {}
        return self._preparing.prepare(candidate, found)

    async def fitting(
        self, candidates: Sequence[Candidate]
    ) -> tuple[Sequence[Candidate], list[Rejected]]:
        """Those that can take the request, and why the others cannot."""
        for candidate in candidates if self._preparing.choosy else ():
            with suppress(Rejected):  # told below
                await self.prepare(candidate)
        return self._preparing.fitting(candidates)

    # -- calling

    async def make(self, candidate: Candidate, prepared: Prepared) -> Failure | None:
        """Call the upstream and relay its answer: None when the client has it, else why not."""
        call, credential = self._call, candidate.credential
        context, settings = call.context, self._snapshot.settings
        context.attempts += 1
        context.provider, context.credential = credential.provider.name, credential.name
        context.upstream_model = candidate.model
        lane = self._preparing.lane(candidate)
        headers = self._preparing.headers(candidate, prepared)
        request = prepare(lane.url, headers, prepared.body, self._snapshot.limits)
        if credential.signer is not None:
            credential.signer.sign(request)
        self._preparing.release()
        transport = self._snapshot.transport(credential)
        relay: Relay | None = None
        try:
            with Deadline(settings.first_event_timeout) as limit:
                response = await transport.handle_async_request(request)
                try:
                    request_id = header(response, *lane.request_ids)
                    context.upstream_request_id = request_id and request_id[:200]
                    if response.status_code >= 300:
                        return await self._refused(response, candidate, prepared)
                    # What comes decides, not what was asked for: some servers do the other thing.
                    streamed = _is_stream(response, lane)
                    if call.stream:
                        relay = self._relay(response, candidate, prepared, streamed)
                        error = await relay.run(limit, settings.idle_timeout)
                        return None if error is None else self._reported(error, prepared.cloak)
                    if streamed:
                        return await self._gathered(response, candidate, prepared, limit)
                    return await self._whole(response, candidate, prepared)
                finally:
                    await response.aclose()
        except asyncio.CancelledError:
            # Unless the client left, the server stops and waits no longer.
            if relay is not None and relay.begun and not self._exchange.gone:
                await relay.fail(*STOPPING)
            raise
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
                context.losses = [*prepared.losses, *relay.stream.losses]

    def _relay(
        self, response: Response, candidate: Candidate, prepared: Prepared, streamed: bool
    ) -> Relay:
        preparing = self._preparing
        stream = preparing.stream(candidate, prepared) if streamed else preparing.replay(prepared)
        headers = self._replies.headers(
            response, prepared.losses, self._snapshot.settings.passthrough_headers
        )
        shown = ArrayStream(stream) if self._call.as_array else stream

        async def settle() -> None:
            if not isinstance(stream, PassThrough):
                await self._memory.keep(stream.keep)

        return Relay(self._exchange, self._replies, response, shown, headers, settle)

    async def _whole(
        self, response: Response, candidate: Candidate, prepared: Prepared
    ) -> Failure | None:
        raw = await read_body(response, self._snapshot.settings.max_answer)
        try:
            document = jsontext.loads(raw)
        except JsonError:
            document = None
        if not isinstance(document, dict):
            return self._failure("garbage", "upstream", "the upstream's answer is no JSON object")
        if prepared.same:
            error, usage = self._preparing.passing(prepared, document)
            if error is not None:
                return self._reported(error, prepared.cloak)
            body = self._preparing.passed(candidate, raw, document)
            await self._answer(response, prepared, body, usage, ())
            return None
        answer = self._preparing.answer(prepared, document)
        if answer.error is not None:
            return self._reported(answer.error, prepared.cloak)
        body = self._preparing.written(candidate, prepared, answer, raw, document)
        await self._memory.keep(answer.keep)
        await self._answer(response, prepared, body, answer.usage, answer.losses)
        return None

    async def _gathered(
        self, response: Response, candidate: Candidate, prepared: Prepared, limit: Deadline
    ) -> Failure | None:
        """A stream read to its end for a client that wants a whole answer."""
        gathering = self._preparing.gather(prepared)
        arriving = chunks(response)
        async for chunk in arriving:
            gathering.feed(chunk)
            if gathering.done:
                limit.left(NEVER)
                await drained(arriving)
                break
            if gathering.started:
                limit.left(self._snapshot.settings.idle_timeout)
        gathering.close()
        if gathering.error is not None:
            return self._reported(gathering.error, prepared.cloak)
        body = self._preparing.encoded(prepared, gathering.answer())
        await self._memory.keep(gathering.keep)
        await self._answer(response, prepared, body, gathering.usage, gathering.losses)
        return None

    async def _answer(
        self,
        response: Response,
        prepared: Prepared,
        body: bytes,
        usage: dict[str, Any] | None,
        losses: Sequence[Loss],
    ) -> None:
        all_losses = [*prepared.losses, *losses]
        context = self._call.context
        context.usage, context.losses = usage, all_losses
        passed = self._snapshot.settings.passthrough_headers
        await self._replies.whole(body, self._replies.headers(response, all_losses, passed))

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
            request_id=self._call.context.id,
            provider=credential.provider.name,
            model=candidate.model,
        )
        return Failure("answer", answer.kind, text, status, answer.retry_after, answer)

    def _reported(self, error: dict[str, Any], cloak: Cloak | None) -> Failure:
        """An error that the upstream told inside an answer of status 200."""
        kind, message = error["kind"], error["message"]
        message = message if cloak is None else cloak.restore(message)
        answer = self._snapshot.translator.faults.own(
            kind,
            message,
            target=self._call.format.name,
            status=error.get("status"),
            retry_after=error.get("retry_after"),
            request_id=self._call.context.id,
        )
        return Failure("event", kind, message, answer.status, error.get("retry_after"), answer)

    def _failure(self, cause: str, kind: str, message: str) -> Failure:
        answer = self._snapshot.translator.faults.own(
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


def _is_stream(response: Response, lane: Lane) -> bool:
    """Whether an answer is a stream, where one was asked for or not."""
    kind = (header(response, b"content-type") or "").lower()
    plain = kind.startswith("application/json")
    streamed = kind.startswith(lane.wire.content_type)
    # Some servers stream under no type or a wrong one; only a plain document is none for certain.
    return streamed or not plain if lane.streams else streamed and not plain
