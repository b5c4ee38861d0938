"""The client's side of one request: its body, its answer, signs of life, and its leaving."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping
from types import TracebackType
from typing import Any

from engine.errors import EngineError
from engine.gateway.context import Context
from engine.gateway.deadline import Deadline

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

# How long a client may pause while it sends its body, and how much of a body that is too large is
# still taken (and thrown away) so that the client gets to read the answer.
BODY_PAUSE_SECONDS = 60.0
DRAIN_FACTOR = 4


class BodyTooLarge(EngineError):
    """The request's body is longer than allowed."""


class BodyTooSlow(EngineError):
    """The client stopped sending its body."""


class ClientGone(EngineError):
    """The client left before its answer was complete."""


async def read_body(receive: Receive, headers: Mapping[str, str], limit: int) -> bytes:
    """The request's body. Raises BodyTooLarge, BodyTooSlow, ClientGone."""
    try:
        with Deadline(BODY_PAUSE_SECONDS) as pause:
            message = await receive()
            if not message.get("more_body") and message["type"] == "http.request":
                body: bytes = message.get("body", b"")
                if len(body) > limit:
                    raise BodyTooLarge
                return body
            parts: list[bytes] = []
            size = 0
            while True:
                if message["type"] == "http.disconnect":
                    raise ClientGone
                size += len(message.get("body", b""))
                if size <= limit:
                    parts.append(message.get("body", b""))
                elif size > limit * DRAIN_FACTOR:
                    raise BodyTooLarge
                if not message.get("more_body"):
                    break
                pause.left(BODY_PAUSE_SECONDS)
                message = await receive()
    except TimeoutError:
        raise BodyTooSlow from None
    if size > limit:
        raise BodyTooLarge
    return b"".join(parts)


class Exchange:
    """Sends one answer. As a context manager it raises ClientGone when the client leaves.

    ``headers`` go with whatever answer is sent. ``watch`` begins signs of life: ``keepalive``
    seconds of silence bring ``beat`` bytes, the first of which commits status 200. A client that
    takes ``patience`` seconds to read what it was sent is gone.
    """

    committed = False
    _task: asyncio.Task[Any] | None = None
    _listener: _Listener | None = None
    _beating: asyncio.Task[None] | None = None
    _timer: asyncio.TimerHandle | None = None
    _gone = False
    _finished = False
    _quiet_since = 0.0
    _sending_since: float | None = None
    _keepalive = 0.0
    _patience = 0.0
    _beat = b""
    _content_type = b""

    def __init__(self, send: Send, receive: Receive, context: Context, headers: Headers) -> None:
        self.context = context
        self.headers = headers
        self.receive = receive
        self._send = send
        self._loop = asyncio.get_running_loop()

    @property
    def gone(self) -> bool:
        """Whether the client left."""
        return self._gone

    @property
    def finished(self) -> bool:
        """Whether the answer is complete."""
        return self._finished

    # -- sending

    async def answer(self, status: int, body: bytes, headers: Headers, content_type: bytes) -> None:
        """The whole answer at once. After a keepalive committed the status, its body only."""
        if self.committed:
            await self.write(body, more=False)
            return
        length = (b"content-length", b"%d" % len(body))
        await self._start(status, [(b"content-type", content_type), length, *headers])
        await self.write(body, more=False)

    async def commit(self, status: int, headers: Headers, content_type: bytes) -> None:
        """The head of an answer whose body follows; nothing when it is out already."""
        if not self.committed:
            await self._start(status, [(b"content-type", content_type), *headers])

    async def write(self, data: bytes, more: bool = True) -> None:
        """A piece of the body, handed to the socket before this returns."""
        if self._beating is not None:
            await self._beating
        self._sending_since = self._loop.time()
        if not more:
            self._finished = True
        await self._send({"type": "http.response.body", "body": data, "more_body": more})
        self._quiet_since = self._loop.time()
        self._sending_since = None

    async def _start(self, status: int, headers: Headers) -> None:
        if self._beating is not None:
            await self._beating
            if self.committed:
                return
        self.committed = True
        self.context.status = status
        await self._send(
            {"type": "http.response.start", "status": status, "headers": [*headers, *self.headers]}
        )

    # -- watching

    def watch(self, keepalive: float, beat: bytes, content_type: bytes, patience: float) -> None:
        """From now on send ``beat`` in silence and mind the client's reading; see the class."""
        self._keepalive, self._patience = keepalive, patience
        self._beat, self._content_type = beat, content_type
        self._quiet_since = now = self._loop.time()
        self._schedule(now)

    def _schedule(self, now: float) -> None:
        next_look = (self._sending_since or now) + self._patience
        if self._keepalive:
            next_look = min(next_look, max(now, self._quiet_since) + self._keepalive)
        self._timer = self._loop.call_at(next_look, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        if self._finished and self._sending_since is None:
            return
        if self._sending_since is not None:
            if now - self._sending_since >= self._patience:
                self._leave()
                return
        elif self._keepalive and now - self._quiet_since >= self._keepalive:
            if self._beating is None or self._beating.done():
                self._beating = self._loop.create_task(self._send_beat())
            self._quiet_since = now
        self._schedule(now)

    async def _send_beat(self) -> None:
        if not self.committed:
            self.committed = True
            self.context.status = 200
            headers = [(b"content-type", self._content_type), *self.headers]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send({"type": "http.response.body", "body": self._beat, "more_body": True})
        self._beating = None

    async def _listen(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass
        if not self._finished:  # a server also says so when the answer is complete
            self._leave()

    def _leave(self) -> None:
        if self._task is not None and not self._gone:
            self._gone = True
            self._task.cancel()

    async def __aenter__(self) -> Exchange:
        self._task = asyncio.current_task()
        self._listener = _Listener(self._listen())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        task, self._task = self._task, None
        if self._listener is not None:
            self._listener.close()
        if self._beating is not None:
            self._beating.cancel()
        if self._timer is not None:
            self._timer.cancel()
        if self._gone and task is not None:
            task.uncancel()
            if kind is None or issubclass(kind, asyncio.CancelledError):
                raise ClientGone from None


class _Listener:
    """Runs a coroutine beside the request's task, without a task of its own.

    One would have to be made for each request, cancelled, and run once more to learn of it. As in a
    task, the coroutine runs to what it waits for, and on when that is there.
    """

    __slots__ = ("_coroutine",)

    def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._coroutine: Coroutine[Any, Any, None] | None = coroutine
        self._run()

    def _run(self, _: object = None) -> None:
        if self._coroutine is None:
            return
        try:
            awaited = self._coroutine.send(None)
        except StopIteration:
            self._coroutine = None
            return
        if awaited is None:  # it only lets others run
            asyncio.get_running_loop().call_soon(self._run)
        else:
            awaited.add_done_callback(self._run)

    def close(self) -> None:
        """End the coroutine where it waits."""
        coroutine, self._coroutine = self._coroutine, None
        if coroutine is not None:
            coroutine.close()
