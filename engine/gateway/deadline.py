"""A limit of time that moves, as it does with each piece of a stream."""

from __future__ import annotations

import asyncio
from types import TracebackType

NEVER = float("inf")


class Deadline:
    """Ends its block with TimeoutError when no time is left.

    As asyncio.timeout, but to move it costs a comparison: a timer that rings too early is set
    again, where that one would be cancelled and made anew for each piece.
    """

    _expired = False
    _task: asyncio.Task[object] | None = None
    _rings_at = NEVER
    _timer: asyncio.TimerHandle | None = None

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._at = self._loop.time() + seconds

    def left(self, seconds: float) -> None:
        """From now on so many seconds are left; NEVER ends the limit."""
        self._at = at = self._loop.time() + seconds
        if at < self._rings_at and self._task is not None and not self._expired:
            self._set()

    @property
    def expired(self) -> bool:
        """Whether the time was over inside the block."""
        return self._expired

    def _set(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at, self._timer = self._at, None
        if self._at != NEVER:
            self._timer = self._loop.call_at(self._at, self._ring)

    def _ring(self) -> None:
        if self._loop.time() < self._at:
            self._set()
        elif self._task is not None:
            self._expired = True
            self._task.cancel()

    def __enter__(self) -> Deadline:
        self._task = asyncio.current_task(self._loop)
        if self._at != NEVER:
            self._rings_at = self._at
            self._timer = self._loop.call_at(self._at, self._ring)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        task, self._task = self._task, None
        if self._timer is not None:
            self._timer.cancel()
        if self._expired and task is not None:
            # Cancelled by somebody else, too, the task is to end.
            ours = task.uncancel() <= 0
            if ours and kind is asyncio.CancelledError:
                raise TimeoutError from error
