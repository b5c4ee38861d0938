"""A stream where the client wants a whole answer, and a whole answer where it wants a stream.

Both are streams towards the upstream's bytes; what differs is what becomes of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engine.errors import UpstreamError
from engine.language.runtime import Refusal
from engine.translation.counterparts import Sayings, in_answer
from engine.translation.encoder import Encoder, Event
from engine.translation.fitting import fit_answer
from engine.translation.formats import Format
from engine.translation.jsontext import JsonError, loads
from engine.translation.losses import Loss, relocated
from engine.translation.ordering import Passthrough
from engine.translation.plan import Plan
from engine.translation.streams import UNUSABLE, Stream
from engine.translation.translated import Half
from engine.translation.translated import losses as lost
from engine.translation.wholes import Fold, left_behind, unfold

Body = dict[str, Any]


class _Last(Encoder):
    """Keeps the last event written, and no bytes."""

    last: Event | None = None

    def _frame(self, event: Event) -> bytes:
        self.last = event
        return b""


class Gathering(Stream):
    """One stream gathered to a whole answer; ``feed`` and ``close`` return nothing.

    Where the last event of the client's format holds the whole answer, that event is written and
    its answer taken; else the events are folded and the answer is made of that. At most
    ``max_bytes`` of the upstream are taken. ``error`` tells what went wrong.
    """

    def __init__(self, upstream: Format, client: Format, plan: Plan, max_bytes: int) -> None:
        super().__init__(upstream, client, plan)
        self._writing: Half | None = None
        self._left = self._max_bytes = max_bytes
        self._fold: Fold | None = None
        if client.whole_in is None:
            self._fold = Fold(upstream.name, upstream.natives)
            self._sayings = Sayings(upstream.name, upstream.natives)
            # parts are told apart by their numbers, whatever their order
            self._order = Passthrough()
            self._write = self._folded

    def _encoding(self, client: Format, plan: Plan) -> Encoder:
        return _Last(client, plan, self._origins) if client.whole_in else Encoder(client, plan)

    def _folded(self, event: Event) -> bytes:
        assert self._fold is not None
        self._fold.push(event)
        self._sayings.push(event, self._origins.wire, self._origins.before)
        return b""

    def feed(self, chunk: bytes) -> bytes:
        self._left -= len(chunk)
        if self._left < 0 and not self.done:
            return self.fail("upstream", f"its answer is longer than {self._max_bytes} bytes")
        return super().feed(chunk)

    def answer(self) -> Body:
        """The client's answer, after a ``close`` without error. Raises UpstreamError."""
        if self._fold is not None:
            try:
                self._writing = self._half_out(self._fold.answer())
                body: Body = self._writing.run()
            except Refusal as refusal:
                raise UpstreamError(f"{UNUSABLE}: {refusal.reason}") from None
            return body
        last = self._encoder.last if isinstance(self._encoder, _Last) else None
        whole = None if last is None else last.get(self._client.whole_in or "")
        if not isinstance(whole, dict):
            raise UpstreamError("the upstream's stream holds no answer")
        return whole

    def _half_out(self, canonical: Body) -> Half:
        """The half that writes a whole answer."""
        plan, client = self._plan, self._client
        section, ctx = client.write["response"], plan.ctx(client, client.vendor)
        return Half(section, canonical, plan.client(section), plan.data, ctx)

    @property
    def losses(self) -> list[Loss]:
        """What was lost, by paths of the upstream's events."""
        written = [] if self._writing is None else lost(self._writing, None, "response")
        found = {(loss.path, loss.reason, loss.kind): loss for loss in super().losses}
        for loss in written:
            for path in self._places(loss):
                made = replace(loss, path=path)
                found.setdefault((path, loss.reason, loss.kind), made)
        return list(found.values())

    def _places(self, loss: Loss) -> list[str]:
        """Where that stood in the upstream's events which a canonical answer lost."""
        places: list[str] = []
        origins = self._origins
        for said, path in self._sayings.of(loss.path):
            origins.event, origins.wire, origins.before = said
            places += origins.places(path, loss.kind)
        return list(dict.fromkeys(places)) or [loss.path]


class Replay(Stream):
    """A whole answer written as a stream; everything comes with ``close``.

    At most ``max_bytes`` of the upstream are taken.
    """

    def __init__(self, upstream: Format, client: Format, plan: Plan, max_bytes: int) -> None:
        super().__init__(upstream, client, plan)
        self._parts: list[bytes] = []
        self._left = self._max_bytes = max_bytes
        self._reading: Half | None = None
        self._answer: Body = {}
        self._behind: list[Loss] = []
        self._encoder.losses.places = self._places

    def feed(self, chunk: bytes) -> bytes:
        if self.done:
            return b""
        self._left -= len(chunk)
        if self._left < 0:
            self._parts.clear()
            return self.fail("upstream", f"its answer is longer than {self._max_bytes} bytes")
        self._parts.append(chunk)
        return b""

    def close(self) -> bytes:
        if self.done:
            return b""
        raw = b"".join(self._parts)
        self._parts.clear()
        try:
            document = loads(raw)
        except JsonError:
            document = None
        if not isinstance(document, dict):
            return self.fail("upstream", "the upstream's answer is no JSON object")
        try:
            self._reading = self._half_in(document)
            answer = self._answer = self._reading.run()
            fit_answer(answer)
        except (UpstreamError, Refusal) as error:
            return self._broken(error)
        unfinished = answer.get("unfinished")
        if unfinished:
            return self.fail(unfinished["kind"], unfinished["message"])
        if not answer.get("error") and not answer.get("choices"):
            return self.fail("upstream", "the upstream's answer holds nothing")
        self._behind = [
            Loss(path, reason, "", "dropped", "response") for path, reason in left_behind(answer)
        ]
        return self._events(list(unfold(answer, self._client.name, self._client.natives)))

    def _half_in(self, body: Body) -> Half:
        """The half that reads a whole answer."""
        plan, upstream = self._plan, self._upstream
        section, ctx = upstream.read["response"], plan.ctx(upstream, plan.vendor)
        return Half(section, body, plan.client(section), plan.data, ctx)

    def _places(self, path: str, kind: str) -> list[str]:
        """Where that stands in the canonical answer which one of its events lost."""
        event = self._origins.event or {"type": "error"}
        return in_answer(path, event, self._answer, self._client.name, self._client.natives)

    @property
    def losses(self) -> list[Loss]:
        """What was lost, by paths of the upstream's answer."""
        if self._reading is None:
            return super().losses
        own = lost(self._reading, None, "response")
        canonical = [*self._behind, *super().losses]
        if canonical:
            own += relocated(canonical, self._reading.trace())
        return list({(loss.path, loss.reason, loss.kind): loss for loss in own}.values())
