"""The framings by name: how events lie on the wire, and what reads and writes them so.

``framing.kind`` of a ``format.yaml`` is one of these names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine import extras
from engine.translation import eventstream
from engine.translation.eventstream import EventStreamReader
from engine.translation.framing import (
    JsonArrayReader,
    LineWriter,
    NdjsonReader,
    Reader,
    SseReader,
    SseWriter,
    Writer,
)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of framing.

    ``reader`` takes the bound of a frame in bytes, ``writer`` what ends a frame. Without a writer
    a framing is for upstreams only. ``ends``: the marks that may end a frame, the writer's own
    first; a stream may be handed on between them. ``library``: a module of an extra.
    """

    name: str
    reader: Callable[[int], Reader]
    content_type: str
    writer: Callable[[bytes], Writer] | None = None
    ends: tuple[bytes, ...] = ()
    library: str | None = None

    def prepare(self) -> None:
        """Import what the reader needs, so that no stream waits for it. Raises MissingExtra."""
        if self.library is not None:
            extras.load(self.library, f"the framing {self.name}")


_KINDS = (
    Kind("sse", SseReader, "text/event-stream", SseWriter, (b"\n\n", b"\r\n\r\n", b"\r\r")),
    Kind("ndjson", NdjsonReader, "application/x-ndjson", LineWriter, (b"\n",)),
    Kind("json-array", JsonArrayReader, "application/json"),
    Kind(
        "aws-event-stream",
        EventStreamReader,
        "application/vnd.amazon.eventstream",
        library=eventstream.LIBRARY,
    ),
)
FRAMINGS: dict[str, Kind] = {kind.name: kind for kind in _KINDS}
