"""How many calls a credential has at once, and who waits for their turn."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from engine.errors import EngineError
from engine.gateway.credentials import Credential


class Busy(EngineError):
    """A credential has all the calls it may have, and no place to wait or no time."""


class Gates:
    """The calls under way by credential, of this process. They outlive reloads."""

    def __init__(self) -> None:
        self._running: Counter[str] = Counter()
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}

    @property
    def waiting(self) -> int:
        """How many calls wait for a place."""
        return sum(map(len, self._queues.values()))

    def full(self, credential: Credential) -> bool:
        """Whether a call would have to wait."""
        return 0 < credential.max_concurrent <= self._running[credential.id]

    @asynccontextmanager
    async def through(self, credential: Credential, patience: float) -> AsyncIterator[None]:
        """Hold a place for as long as the block, after ``patience`` seconds of waiting at most.

        Raises Busy.
        """
        await self._enter(credential, patience)
        try:
            yield
        finally:
            self._leave(credential.id)

    async def _enter(self, credential: Credential, patience: float) -> None:
        if not self.full(credential):
            self._running[credential.id] += 1
            return
        queue = self._queues.setdefault(credential.id, deque())
        if len(queue) >= credential.max_queue:
            raise Busy
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            async with asyncio.timeout(patience):
                await turn
        except (TimeoutError, asyncio.CancelledError) as error:
            if turn.done() and not turn.cancelled():
                self._leave(credential.id)  # the place came too late for this call
            elif turn in queue:
                queue.remove(turn)
            if isinstance(error, TimeoutError):
                raise Busy from None
            raise

    def _leave(self, identity: str) -> None:
        queue = self._queues.get(identity)
        while queue:
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)  # the place goes on, the number stays
                return
        self._queues.pop(identity, None)
        self._running[identity] -= 1
        if self._running[identity] <= 0:
            del self._running[identity]
