"""One stream: bytes of the upstream in, bytes for the client out.

Frames are read, each event goes through the read half, the ordering of parts and the write half,
and what one read of bytes gave is returned at once. State lives as long as the stream and is
bounded by the reader and the ordering.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

from engine.errors import UpstreamError
from engine.language.runtime import Refusal
from engine.language.sources import EARLIER
from engine.language.trace import Trace
from engine.translation import memory
from engine.translation.encoder import LAST, Encoder, Event
from engine.translation.fitting import fit_event
from engine.translation.formats import Format
from engine.translation.framing import MAX_FRAME, Frame
from engine.translation.jsontext import JsonError, loads
from engine.translation.losses import Loss
from engine.translation.ordering import TEXTS, Again, Ordering, Passthrough
from engine.translation.origins import EventOrigins, Traced
from engine.translation.plan import Plan
from engine.translation.runs import Run
from engine.translation.stencils import (
    MAX_BYTES,
    PROBE,
    TRIES,
    Stencil,
    differing,
    placed,
    put,
    stencil,
)

EARLY_END = "the upstream's stream ended early"
UNUSABLE = "the upstream's stream cannot be used"

_FIRST = re.compile(r"^\[(\d+)\]")
# What says something of the stream as a whole.
_TELLING = frozenset({"start", "usage", *LAST})


class Stage(Protocol):
    """Something that canonical events go through on their way."""

    def push(self, event: Event) -> list[Event]:
        """What comes out for an event that goes in."""

    def again(self, event: Event) -> Again | None:
        """What would come out for one more text like the last, alone; None where more could, or
        where something changes beside what hears the texts."""


class _Chain:
    """One stage after another."""

    def __init__(self, first: Stage, second: Stage) -> None:
        self._first = first
        self._second = second

    def push(self, event: Event) -> list[Event]:
        return [out for each in self._first.push(event) for out in self._second.push(each)]

    def again(self, event: Event) -> Again | None:
        """None: what was put in may hold texts back."""
        return None


class Stream:
    """Translates one stream; see the module. ``error`` is the canonical error when the stream held
    one."""

    def __init__(self, upstream: Format, client: Format, plan: Plan, explain: bool = False) -> None:
        assert upstream.events_in is not None
        self._upstream = upstream
        self._client = client
        self._half = upstream.events_in
        self._state = self._half.start()
        self._losses = self._half.losses(explain)
        self._plan = plan
        self._ctx = plan.ctx(upstream, plan.vendor)
        self._roots = (plan.client(self._half), plan.data, self._ctx)
        self._reader = upstream.framing.kind.reader(MAX_FRAME)
        self._name = upstream.framing.event_name
        self._origins = EventOrigins(self._half.sources)
        self._explanations: list[dict[str, Any]] | None = [] if explain else None
        self._order: Stage = Ordering() if client.parts == "one-at-a-time" else Passthrough()
        self._encoder = self._encoding(client, plan)
        self._write = self._explained if explain else self._encoder.write
        self._read = Traced(self._origins, Run((), [], Trace(None)))
        self._watcher = memory.Watcher() if plan.signs else None
        self._terminator = upstream.framing.terminator
        self._stencil: Stencil | None = None
        self._like: Event | None = None  # the event of the last stencil
        self._tries = 0 if explain else TRIES
        self.started = False
        self.done = False
        self.error: dict[str, Any] | None = None
        self.usage: dict[str, Any] | None = None

    def _encoding(self, client: Format, plan: Plan) -> Encoder:
        return Encoder(client, plan, self._origins, self._explanations is not None)

    def through(self, stage: Stage) -> None:
        """Let each event go through another stage before it is written."""
        self._order = _Chain(self._order, stage)

    def feed(self, chunk: bytes) -> bytes:
        """Bytes of the upstream; returns those for the client. Never raises for what an upstream
        may send."""
        if self.done:
            return b""
        try:
            frames = self._reader.feed(chunk)
        except UpstreamError as error:
            return self._broken(error)
        return self._frames(frames)

    def close(self) -> bytes:
        """The upstream's bytes are over."""
        if self.done:
            return b""
        try:
            out = self._frames(self._reader.close())
        except UpstreamError as error:
            return self._broken(error)
        return out + self._ended()

    def _ended(self) -> bytes:
        if self.done:
            return b""
        self._lift()
        try:
            if self._explanations is not None:
                events = self._traced(None, self._explanations)
            else:
                events = self._half.finish(self._state, self._losses, *self._roots)
        except Refusal as refusal:
            return self._broken(refusal)
        return self._events(events) + self._cut_short()

    def _broken(self, error: UpstreamError | Refusal) -> bytes:
        """End the stream for what the upstream sent."""
        if isinstance(error, Refusal):
            return self.fail("upstream", f"{UNUSABLE}: {error.reason}")
        return self.fail(error.kind, error.message)

    def _cut_short(self) -> bytes:
        return b"" if self.done else self.fail("upstream", EARLY_END)

    def fail(self, kind: str, message: str, status: int | None = None) -> bytes:
        """End the stream with an error of the gateway; the client's own terminal error."""
        error: Event = {"kind": kind, "message": message}
        if status is not None:
            error["status"] = status
        self._lift()
        return self._events([{"type": "error", "error": error}])

    @property
    def losses(self) -> list[Loss]:
        """What was lost so far; paths without positions, each once."""
        found: dict[tuple[str, str, str], Loss] = {}
        for path, reason, kind, place in (*self._losses.counts, *self._encoder.losses.counts):
            path = path.rpartition(EARLIER)[2]
            # several rules may leave the same thing unread
            found.setdefault((path, reason, kind), Loss(path, reason, place, kind, "response"))
        return list(found.values())

    @property
    def keep(self) -> dict[str, str]:
        """What the next request may want and the client may lose, once the stream is done: texts by
        their keys."""
        if self._watcher is None or not self.done:
            return {}
        plan = self._plan
        return memory.keep(plan.read, plan.vendor, self._watcher.choices())

    def explain(self) -> list[dict[str, Any]]:
        """For each upstream event, and with none for the end of its bytes, ``{event, out: [{out,
        in, rule, how}]}``; asked for when the stream was made. Paths with ``[]`` for a position are
        those of an earlier event."""
        if self._explanations is None:
            raise ValueError("this stream was not made with explain=True")
        return self._explanations

    def _frames(self, frames: list[Frame]) -> bytes:
        out: list[bytes] = []
        position = 0
        while position < len(frames) and not self.done:
            if self._stencil is not None:
                position = self._stencil.fill(frames, position, out)
                if position == len(frames):
                    break
                self._lift()
            name, data = frames[position]
            position += 1
            if data.rstrip() == self._terminator:
                event: Any = {"done": True}
            elif not data or data.isspace():
                continue
            else:
                try:
                    event = loads(data)
                except JsonError:
                    out.append(self.fail("upstream", "the upstream's stream holds what is no JSON"))
                    break
            if type(event) is not dict:
                out.append(self.fail("upstream", "the upstream's stream holds what is no event"))
                break
            if name is not None and self._name is not None:
                event.setdefault(self._name, name)
            self._origins.before, self._origins.wire = self._origins.wire, event
            try:
                if self._explanations is not None:
                    events = self._traced(event, self._explanations)
                else:
                    events = self._half.step(event, self._state, self._losses, *self._roots)
            except (UpstreamError, Refusal) as error:
                out.append(self._broken(error))
                break
            if events:
                out.append(self._events(events))
            if self._tries and len(events) == 1 and events[0]["type"] in TEXTS and not self.done:
                self._stencil = self._made(event, events[0], name, data)
        return b"".join(out)

    def _made(self, event: Event, read: Event, name: str | None, data: bytes) -> Stencil | None:
        """The stencil of an event and what was read of it; None where the next of its kind could
        go another way. Nothing of the stream changes."""
        looks, text = self._half.looks(self._state), read.get("delta")
        if looks is None or not text or len(data) > MAX_BYTES:
            return None
        self._tries -= 1
        path = placed(event, text, looks)
        if path is None:
            return None
        again: Event = {**read, "delta": PROBE}
        like = self._half.again(put(event, path, PROBE), self._state, *self._roots) or [{}]
        like[0].setdefault("choice", 0)
        ordered = self._order.again(again) if like == [again] else None
        around = self._encoder.around(ordered[0]) if ordered is not None else None
        if ordered is None or around is None:
            return None
        holes = [path, *(differing(self._like, event, path, looks) if self._like else ())]
        watching = self._watcher.more(read) if self._watcher is not None else None
        told = [each for each in (ordered[1], watching) if each is not None]
        made = stencil(event, (name, data), holes, self._name, around, told)
        self._like = event if made is not None else None
        return made

    def _lift(self) -> None:
        """The stencil does not fit any more."""
        stencil, self._stencil = self._stencil, None
        if stencil is not None and stencil.uses:
            self._tries = TRIES
            self._half.repeated(self._state, stencil.uses)
            self._encoder.repeated(stencil.uses)

    def _traced(self, event: Event | None, into: list[dict[str, Any]]) -> list[Event]:
        """What is read of one upstream event, or of the end of the bytes, with everything
        recorded."""
        into.append({"event": event, "out": []})
        events, trace = self._half.trace(event, self._state, self._losses, *self._roots)
        run = Run(self._half.traced.rules, events, trace)
        self._read = Traced(self._origins, run)
        return events

    def _explained(self, event: Event) -> bytes:
        """One canonical event written, with everything recorded."""
        explanations = self._explanations or [{"event": None, "out": []}]
        told = explanations[-1]["out"]
        data, found = self._encoder.explain(event, self._read)
        # positions count all that the client gets for one event of the upstream
        before = 1 + max((int(_FIRST.findall(row["out"])[0]) for row in told), default=-1)
        told += [
            {**row, "out": _FIRST.sub(lambda at: f"[{before + int(at[1])}]", row["out"])}
            for row in found
        ]
        return data

    def _noted(self, event: Event) -> None:
        """What an event says of the stream as a whole."""
        kind = event["type"]
        if kind == "error":
            self.error, self.done = event["error"], True
            return
        self.started = True
        if kind == "usage":
            self.usage = event["usage"]
        elif kind == "end":
            self.done = True

    def _events(self, events: list[Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            event.setdefault("choice", 0)
            try:
                fit_event(event)
                if not self.started or event["type"] in _TELLING:
                    if event["type"] == "start" and self.started:
                        continue  # an answer begins once
                    if not self.started and event["type"] not in ("start", "error"):
                        out.append(self._write({"type": "start", "choice": 0}))
                    self._noted(event)
                ordered = self._order.push(event)
                if self._watcher is not None:
                    self._watcher.push(event)
                for each in ordered:
                    out.append(self._write(each))
            except (UpstreamError, Refusal) as error:
                out.append(self._broken(error))
                break
            if self.done:
                break
        return out[0] if len(out) == 1 else b"".join(out)
