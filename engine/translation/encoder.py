"""The writing half of a stream: canonical events to bytes in the client's format."""

from __future__ import annotations

from typing import Any

from engine.language.events import EventLosses
from engine.translation.formats import Format
from engine.translation.jsontext import dumps
from engine.translation.losses import rows
from engine.translation.origins import EventOrigins, Traced
from engine.translation.plan import Plan
from engine.translation.runs import Run
from engine.translation.stencils import PROBED

Event = dict[str, Any]

LAST = frozenset({"end", "error"})
"""The kinds of events after which nothing is written."""


class Encoder:
    """Writes the events of one stream. ``over``: the last one has been."""

    def __init__(
        self,
        client: Format,
        plan: Plan,
        origins: EventOrigins | None = None,
        explain: bool = False,
    ) -> None:
        self._plan = plan
        self._origins = origins or EventOrigins({})
        assert client.events_out is not None
        self._half = client.events_out
        self._state = self._half.start()
        self.losses: EventLosses = self._half.losses(explain)
        if origins is not None:
            self.losses.places = origins.places
        self._ctx = plan.ctx(client, client.vendor)
        self._roots = (plan.client(self._half), plan.data, self._ctx)
        framing = client.framing
        assert framing.kind.writer is not None
        self._name = framing.event_name
        self._terminator = framing.terminator
        self._writer = framing.kind.writer(framing.separator)
        self.over = False

    def write(self, event: Event) -> bytes:
        """The bytes of one canonical event."""
        if self.over:
            return b""
        self._origins.event = event
        written = self._half.step(event, self._state, self.losses, *self._roots)
        if len(written) == 1:
            data = self._frame(written[0])
        else:
            data = b"".join([self._frame(each) for each in written])
        return data + self._after(event) if event["type"] in LAST else data

    def _after(self, event: Event) -> bytes:
        """What the framing wants after the last event."""
        kind = event["type"]
        if kind not in LAST:
            return b""
        self.over = True
        if kind == "error" or self._terminator is None:
            return b""
        return self._writer.frame(self._terminator, None)

    def explain(self, event: Event, read: Traced) -> tuple[bytes, list[dict[str, Any]]]:
        """As :meth:`write`, and where each field of what was written came from."""
        if self.over:
            return b"", []
        self._origins.event = event
        written, trace = self._half.trace(event, self._state, self.losses, *self._roots)
        run = Run(self._half.traced.rules, written, trace)
        data = b"".join([self._frame(each) for each in written])
        return data + self._after(event), rows(run, read.of(event)) if written else []

    def around(self, event: Event) -> tuple[bytes, bytes] | None:
        """The bytes before and after the probe that stands for the text of an event like the last
        one; None where the next could be written otherwise. Nothing changes."""
        looks = self._half.looks(self._state)
        if looks is None or not looks.copies(("delta",)):
            return None
        written = self._half.again(event, self._state, *self._roots)
        if written is None or len(written) != 1:
            return None
        head, *tail = self._frame(written[0]).split(PROBED)
        return (head, tail[0]) if len(tail) == 1 else None

    def repeated(self, times: int) -> None:
        """The last event was written so many times again, elsewhere."""
        self._half.repeated(self._state, times)

    def _frame(self, event: Event) -> bytes:
        name = event.get(self._name) if self._name else None
        # JSON text is one line
        return self._writer.frame(dumps(event), name)
