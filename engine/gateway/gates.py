"""How many calls a credential has at once, and who waits for their turn."""

from __future__ import annotations

import asyncio
from collections import deque

from engine.errors import EngineError
from engine.gateway.credentials import Credential


class Busy(EngineError):
    """A credential has all the calls it may have, and no place to wait or no time."""


class Gates:
    """The calls under way by credential, of this process. They outlive reloads."""

    def __init__(self) -> None:
        self._running: dict[str, int] = {}
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}

    @property
    def waiting(self) -> int:
        """How many calls wait for a place."""
        return sum(map(len, self._queues.values()))

    def full(self, credential: Credential) -> bool:
        """Whether a call would have to wait."""
        return 0 < credential.max_concurrent <= self._running.get(credential.id, 0)

    async def enter(self, credential: Credential, patience: float) -> None:
        """Take a place, after ``patience`` seconds of waiting at most; ``leave`` gives it back.

        Raises Busy.
        """
        if not self.full(credential):
            self._running[credential.id] = self._running.get(credential.id, 0) + 1
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
                self.leave(credential)  # the place came too late for this call
            elif turn in queue:
                queue.remove(turn)
            if isinstance(error, TimeoutError):
                raise Busy from None
            raise

    def leave(self, credential: Credential) -> None:
        """Give a place back, to the first who waits."""
        identity = credential.id
        queue = self._queues.get(identity)
        while queue:
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)  # the place goes on, the number stays
                return
        if queue is not None:
            del self._queues[identity]
        left = self._running.pop(identity) - 1
        if left:
            self._running[identity] = left
