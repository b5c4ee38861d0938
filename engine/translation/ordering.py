"""One part at a time, between a reader that may interleave parts and a writer that may not.

Calls that follow each other stream live. Only what arrives while the arguments of an open call are
incomplete is held, and goes out in order when they are whole or the call ends. Arguments that turn
out to be no JSON object cannot be unsaid: an empty ``args`` with ``broken`` tells it at their end.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from io import StringIO
from typing import Any

from engine.errors import UpstreamError
from engine.translation.jsontext import JsonError, ValueScanner, dumps, loads

Event = dict[str, Any]
# What comes out for one more event like the last, and who is to hear its text.
Again = tuple[Event, Callable[[str], None] | None]

MAX_BYTES = 16 * 1024 * 1024
"""What is kept at most, in bytes, unless told otherwise."""
MAX_ARGUMENTS = 1024 * 1024
"""Characters of the arguments of one call that are looked at when they are whole; of longer ones it
is known whether they were cut off."""

TEXTS = frozenset({"text", "thinking", "refusal", "args"})
_DELTAS = TEXTS | {"signature", "citation"}
_OF_PARTS = _DELTAS | {"part_start", "part_end"}
_REOPENABLE = frozenset({"text", "thinking", "refusal"})

# What small objects cost in memory, roughly: the bound holds for many small things, too.
_EVENT_BYTES = 256
_PART_BYTES = 512
_CHOICE_BYTES = 1024


class OrderingError(UpstreamError):
    """The upstream's parts cannot be put in order, or too much would have to be held for it.

    What came before is intact: an ``error`` event can still be pushed.
    """


def _checked(event: Event) -> str:
    """The type of an event; what an upstream left out or garbled is an OrderingError."""
    kind: str = event["type"]
    if type(event.get("choice", 0)) is not int:
        raise OrderingError("the upstream numbers its choices with what is no number")
    if kind in _OF_PARTS:
        if type(event.get("part")) not in (int, str):
            raise OrderingError(f"the upstream sent {kind} and did not say for which part")
        if kind in TEXTS and type(event.get("delta")) is not str:
            raise OrderingError(f"the upstream sent {kind} that is no text")
    return kind


class Passthrough:
    """The stage for writers whose clients take interleaved parts: events as they are."""

    def push(self, event: Event) -> list[Event]:
        """The event itself. Raises OrderingError."""
        _checked(event)
        return [event]

    def again(self, event: Event) -> Again:
        """The event itself."""
        return event, None


class Ordering:
    """Orders the canonical events of one stream, each choice by itself.

    Parts leave numbered 0, 1, 2… in the order of output, one after the other: ``part_start``,
    deltas, ``part_end``. ``stop`` ends the parts of its choice, ``error`` and ``end`` those of all.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._kept = 0
        self._choices: dict[int, _Choice] = {}

    def push(self, event: Event) -> list[Event]:
        """The events that can go out now. Raises OrderingError."""
        kind = _checked(event)
        if kind in _DELTAS:
            return self._delta(event, kind)
        if kind == "part_end":
            return self._part_end(event)
        out: list[Event] = []
        if kind == "part_start":
            self._admit(self._choice(event), event, out)
            return out
        if kind == "stop":
            self._close_all(self._choice(event), out)
        elif kind in ("error", "end"):
            for number in sorted(self._choices):
                self._choices[number].cut = kind == "error"
                self._close_all(self._choices[number], out)
        out.append(event)
        return out

    def again(self, event: Event) -> Again | None:
        """What comes out for one more text like the last one, alone, and what follows the texts.
        Where another part waits for the end of arguments more could come out: None."""
        choice = self._choice(event)
        part = choice.parts.get(event["part"])
        if part is None or part is not choice.open:
            return None
        if event["type"] != "args":
            return _numbered(event, part.number), None
        return None if choice.held else (_numbered(event, part.number), part.read_arguments)

    def _delta(self, event: Event, kind: str) -> list[Event]:
        choice = self._choice(event)
        part = choice.parts.get(event["part"])
        if part is None:
            raise OrderingError(f"the upstream sent {kind} for a part that it never started")
        out: list[Event] = []
        if part.closed:
            if part.kind not in _REOPENABLE:
                if kind == "args" and not event["delta"].strip():
                    return out  # white space after a whole value says nothing
                raise OrderingError(f"the upstream sent {kind} for a {part.kind} that was over")
            start = {"type": "part_start", "choice": event["choice"], "part": event["part"]}
            part = self._admit(choice, start | {"kind": part.kind}, out)
        if part is not choice.open:
            self._hold(part, event)
        else:
            out.append(_numbered(event, part.number))
        if kind == "args":
            part.read_arguments(event["delta"])
            self._drain(choice, out)
        return out

    def _part_end(self, event: Event) -> list[Event]:
        choice = self._choice(event)
        part = choice.parts.get(event["part"])
        out: list[Event] = []
        if part is None or part.closed:
            return out  # of a part that nobody reads, or that was closed here already
        if part is choice.open:
            self._close(choice, out, event)
            self._drain(choice, out)
        else:
            if part.broken:
                self._hold(part, _told_broken(event))
            self._hold(part, event)
            part.closed = True
        return out

    def _admit(self, choice: _Choice, start: Event, out: list[Event]) -> _Part:
        """Let a new part out, or hold it while a call is open that may go on."""
        before = choice.parts.get(start["part"])
        if before is None:
            self._keep(_PART_BYTES)
        elif not before.closed:
            raise OrderingError("the upstream started a part that was still open")
        part = _Part(start)
        if choice.open is None or choice.open.may_close:
            part.queue.append(start)
            if choice.open is not None:
                self._close(choice, out)
            self._open(choice, part, out)
        else:
            self._hold(part, start)
            choice.held.append(part)
        choice.parts[start["part"]] = part
        return part

    def _open(self, choice: _Choice, part: _Part, out: list[Event]) -> None:
        part.number = choice.parts_out
        choice.parts_out += 1
        out += [_numbered(event, part.number) for event in part.queue]
        part.queue.clear()
        self._kept -= part.held_bytes
        if not part.closed:
            choice.open = part

    def _close(self, choice: _Choice, out: list[Event], event: Event | None = None) -> None:
        part = choice.open
        if part is not None:
            end = event or {"type": "part_end", "choice": choice.number, "part": part.number}
            if not choice.cut and part.broken:
                out.append(_numbered(_told_broken(end), part.number))
            out.append(_numbered(end, part.number))
            part.closed = True
            choice.open = None

    def _drain(self, choice: _Choice, out: list[Event], all_parts: bool = False) -> None:
        """Let held parts out until a call is open that may go on; the last one stays open."""
        while choice.held and (all_parts or choice.open is None or choice.open.may_close):
            self._close(choice, out)
            self._open(choice, choice.held.popleft(), out)

    def _close_all(self, choice: _Choice, out: list[Event]) -> None:
        self._drain(choice, out, all_parts=True)
        self._close(choice, out)

    def _choice(self, event: Event) -> _Choice:
        number = event["choice"]
        choice = self._choices.get(number)
        if choice is None:
            self._keep(_CHOICE_BYTES)
            choice = self._choices[number] = _Choice(number)
        return choice

    def _hold(self, part: _Part, event: Event) -> None:
        delta = event.get("delta")
        # Strings take one to four bytes a character; the rare others are measured as text.
        size = sys.getsizeof(delta) if isinstance(delta, str) else len(dumps(event))
        self._keep(_EVENT_BYTES + size)
        part.held_bytes += _EVENT_BYTES + size
        part.queue.append(event)

    def _keep(self, size: int) -> None:
        if self._kept + size > self._max_bytes:
            raise OrderingError(
                f"the upstream interleaved more than {self._max_bytes} bytes of parts"
            )
        self._kept += size


class _Choice:
    """The parts of one choice: at most one is open, those that wait for it are held in order."""

    __slots__ = ("cut", "held", "number", "open", "parts", "parts_out")

    def __init__(self, number: int) -> None:
        self.number = number
        self.cut = False  # by an error, which says why arguments are not whole
        self.open: _Part | None = None
        self.held: deque[_Part] = deque()
        self.parts: dict[Any, _Part] = {}  # the latest of each number of the reader's
        self.parts_out = 0


class _Part:
    """One part on its way out: ``queue`` is held with it, ``number`` is given when it goes out."""

    __slots__ = ("_arguments", "closed", "held_bytes", "kind", "may_close", "number", "queue")

    def __init__(self, start: Event) -> None:
        self.kind: str = start["kind"]
        self.closed = False
        self.number = -1
        self.queue: list[Event] = []
        self.held_bytes = 0
        # A call without arguments yet may still get some; any other part can be opened anew.
        self.may_close = self.kind != "call"
        # The input of a custom call is free text: only its end event tells that it is whole.
        is_json = start.get("call_kind") in (None, "function")
        self._arguments = _Arguments() if is_json else None

    def read_arguments(self, delta: str) -> None:
        """Follow the arguments: the part may close when they are one whole JSON value."""
        if self._arguments is not None and delta:
            self.may_close = self._arguments.read(delta)

    @property
    def broken(self) -> bool:
        """Whether what came so far says something that is no JSON object."""
        return self._arguments is not None and self._arguments.broken


class _Arguments:
    """The arguments of one call as they come. They are kept until they are whole, and then it is
    known what they are."""

    __slots__ = ("_kept", "_said", "_scanner", "_size", "_wrong")

    def __init__(self) -> None:
        self._scanner = ValueScanner()
        self._kept: StringIO | None = StringIO()
        self._size = 0
        self._said = self._wrong = False

    def read(self, delta: str) -> bool:
        """Whether they are whole with this."""
        if self._scanner.complete:
            self._wrong = self._wrong or not delta.isspace()
            return True
        self._said = self._said or not delta.isspace()
        self._size += len(delta)
        if self._size > MAX_ARGUMENTS:
            self._kept = None
        elif self._kept is not None:
            self._kept.write(delta)
        self._scanner.feed(delta)
        if self._scanner.complete:
            kept, self._kept = self._kept, None
            self._wrong = kept is not None and not _is_object(kept.getvalue())
        return self._scanner.complete

    @property
    def broken(self) -> bool:
        """Whether they say something that is no JSON object."""
        return self._wrong or (self._said and not self._scanner.complete)


def _is_object(text: str) -> bool:
    try:
        return type(loads(text)) is dict
    except JsonError:
        return False


def _told_broken(end: Event) -> Event:
    told = {"type": "args", "choice": end["choice"], "part": end["part"]}
    return {**told, "delta": "", "broken": True}


def _numbered(event: Event, number: int) -> Event:
    return event if event["part"] == number else {**event, "part": number}
