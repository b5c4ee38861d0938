"""A stream as one JSON array, for clients that did not ask for an event stream."""

from __future__ import annotations

from typing import Any

from engine.gateway.passthrough import PassThrough
from engine.translation.framing import SseReader
from engine.translation.streams import Stream


class ArrayStream:
    """Another stream with each of its events as an element of an array, written as it comes.

    Has the interface of that stream; what ends it, a failure too, also closes the array.
    """

    def __init__(self, events: Stream | PassThrough) -> None:
        self._events = events
        self._reader = SseReader()
        self._before = b"["

    @property
    def started(self) -> bool:
        return self._events.started

    @property
    def done(self) -> bool:
        return self._events.done

    @property
    def error(self) -> dict[str, Any] | None:
        return self._events.error

    @property
    def usage(self) -> dict[str, Any] | None:
        return self._events.usage

    @property
    def losses(self) -> list[Any]:
        return self._events.losses

    def feed(self, chunk: bytes) -> bytes:
        """The elements that these bytes complete. Raises what the other stream raises."""
        events = self._events.feed(chunk)
        return self._elements(events, self._events.done)

    def close(self) -> bytes:
        """The upstream ended: what is left of the array."""
        return self._elements(self._events.close(), True)

    def fail(self, kind: str, message: str, status: int | None = None) -> bytes:
        """The terminal error as the last element."""
        return self._elements(self._events.fail(kind, message, status), True)

    def _elements(self, events: bytes, over: bool) -> bytes:
        frames = self._reader.feed(events)
        if over:
            frames += self._reader.close()
        out = bytearray()
        for _, raw in frames:
            out += self._before + raw
            self._before = b",\r\n"
        if over:
            out += b"[]" if self._before == b"[" else b"]"
        return bytes(out)
