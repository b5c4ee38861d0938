"""A stream on its way from an upstream to a client: what one read brought is written at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from engine.gateway.array import ArrayStream
from engine.gateway.deadline import NEVER, Deadline
from engine.gateway.exchange import Exchange, Headers
from engine.gateway.passthrough import PassThrough
from engine.gateway.replies import Replies
from engine.gateway.upstream import Response, chunks, drained
from engine.translation.streams import Stream


class Relay:
    """A stream on its way to the client. ``begun``: something of the answer has been sent.

    ``settle`` is done when the stream is complete and before the client knows it: its next request
    may come at once, to another worker.
    """

    def __init__(
        self,
        exchange: Exchange,
        replies: Replies,
        response: Response,
        stream: Stream | PassThrough | ArrayStream,
        headers: Headers,
        settle: Callable[[], Awaitable[None]],
    ) -> None:
        self.stream = stream
        self.begun = False
        self.ended = False
        self._exchange = exchange
        self._replies = replies
        self._response = response
        self._headers = headers
        self._settle = settle

    async def run(self, limit: Deadline, idle: float) -> dict[str, Any] | None:
        """Relay to the end. The canonical error, when that was all the upstream said; else None."""
        stream = self.stream
        held = b""
        arriving = chunks(self._response)
        async for chunk in arriving:
            out = stream.feed(chunk)
            if not self.begun:
                held += out
                if stream.error is not None and not stream.started:
                    return stream.error
                if not stream.started:
                    continue
                out, held = held, b""
                await self._begin()
            if stream.done:
                await self._settle()
                await self._end(out)
                limit.left(NEVER)
                await drained(arriving)
                return None
            if out:
                await self._exchange.write(out)
            limit.left(idle)
        out = held + stream.close()
        if stream.error is not None and not stream.started:
            return stream.error
        await self._begin()
        await self._settle()
        await self._end(out)
        return None

    async def fail(self, kind: str, message: str, status: int) -> None:
        """The upstream broke after bytes went out: the client's own terminal error, and the end."""
        if not self.ended:
            await self._end(self.stream.fail(kind, message, status))

    async def _begin(self) -> None:
        if not self.begun:
            self.begun = True
            await self._replies.begin_stream(self._headers)

    async def _end(self, out: bytes) -> None:
        self.ended = True
        await self._exchange.write(out, more=False)
