"""Canonical events to a canonical answer and back, for upstreams that only stream or cannot.

``fold(unfold(answer))`` is the answer again, but for what :func:`unfold` names as left behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from engine.errors import UpstreamError
from engine.translation.jsontext import JsonError, compact_json, parse_json

Event = dict[str, Any]
Answer = dict[str, Any]
# Where an event's ``native`` keeps what that of the answer keeps in its own place. By ``start``,
# ``part``, ``other`` (a part that only its format knows) and ``stop``: the place (``answer``, or
# the event's own, ``part`` and ``choice``) and the key.
Natives = Mapping[str, tuple[str, str]]

# Clients read streams line by line, some with a bound on a line.
PIECE = 8192

_TEXTS = ("text", "thinking", "refusal")
_HEAD = ("id", "model", "created", "tier")
_STOP = ("stop_sequence", "explanation", "category")
_CALL = ("id", "name", "signature")
_CARRIED = frozenset(
    "type text id name kind arguments raw redacted signature citations logprobs source"
    " native".split()
)


class Fold:
    """Collects the canonical events of one stream; see :meth:`answer`."""

    def __init__(self, format: str, natives: Natives) -> None:
        self._format = format
        self._natives = natives
        self._answer: Answer = {}
        self._usage: dict[str, Any] | None = None
        self._choices: dict[int, _Choice] = {}

    def push(self, event: Event) -> None:
        """Take an event. Raises UpstreamError for a delta of a part that was never started."""
        kind = event["type"]
        if kind == "start":
            self._answer |= {key: event[key] for key in _HEAD if key in event}
            self._usage = event.get("usage")
            self._keep(event, "start", self._answer)
        elif kind == "usage":
            self._usage = event["usage"]
        elif kind not in ("end", "error"):
            number = event.get("choice", 0)
            choice = self._choices.get(number)
            if choice is None:
                choice = self._choices[number] = _Choice(number)
            self._of_choice(choice, event, kind)

    def _of_choice(self, choice: _Choice, event: Event, kind: str) -> None:
        if kind == "stop":
            choice.data["stop"] = event.get("reason", "end")
            choice.data |= {key: event[key] for key in _STOP if key in event}
            if "tier" in event:
                self._answer["tier"] = event["tier"]
            self._keep(event, "stop", choice.data)
            return
        if kind == "part_start":
            part = choice.begin(event)
            word = "other" if event["kind"] == "other" else "part"
            self._keep(event, word, part.data)
            return
        found = choice.open.get(event["part"])
        if found is None:
            raise UpstreamError(f"the upstream sent {kind} for a part that it never started")
        if kind != "part_end":
            found.take(event, kind)

    def _keep(self, event: Event, word: str, own: dict[str, Any]) -> None:
        """Put what only a format says of an event where the answer has it."""
        given = event.get("native")
        if not given:
            return
        given = dict(given)
        place, key = self._natives.get(word, ("", ""))
        said = given.get(self._format)
        inner = said.get(key) if isinstance(said, dict) else None
        if isinstance(said, dict) and isinstance(inner, dict):
            rest = {name: each for name, each in said.items() if name != key}
            given[self._format] = {**rest, **inner}
        target = self._answer if place == "answer" else own
        target["native"] = _merged(target.get("native", {}), given)

    def answer(self) -> Answer:
        """The canonical answer of what came so far."""
        choices = [self._choices[number].whole() for number in sorted(self._choices)]
        usage = {} if self._usage is None else {"usage": self._usage}
        return {**self._answer, "choices": choices, **usage}


class _Choice:
    """One choice: its parts in the order they began, ``open`` those that may go on."""

    def __init__(self, number: int) -> None:
        self.data: dict[str, Any] = {"index": number}
        self.open: dict[Any, _Part] = {}
        self._parts: list[_Part] = []

    def begin(self, event: Event) -> _Part:
        part = self.open[event["part"]] = _Part(event)
        self._parts.append(part)
        return part

    def whole(self) -> dict[str, Any]:
        return {**self.data, "parts": [part.whole() for part in self._parts]}


class _Part:
    """One part: ``data`` as it stands in the answer, its texts until they are joined."""

    def __init__(self, start: Event) -> None:
        self.data: dict[str, Any] = {"type": start["kind"]}
        if start["kind"] == "call":
            self.data |= {key: start[key] for key in _CALL if start.get(key) is not None}
            if start.get("call_kind", "function") != "function":
                self.data["kind"] = start["call_kind"]
        elif start.get("redacted"):
            self.data["redacted"] = True
        elif start["kind"] == "image":
            self.data["source"] = start.get("source")
        self._texts: list[str] = []

    def take(self, event: Event, kind: str) -> None:
        """A delta."""
        if kind == "citation":
            self.data.setdefault("citations", []).append(event["citation"])
        elif kind == "signature":
            if event.get("signature") is not None:
                self.data["signature"] = event["signature"]
        else:
            self._texts.append(event.get("delta", ""))
            if event.get("logprobs"):
                self.data.setdefault("logprobs", []).extend(event["logprobs"])

    def whole(self) -> dict[str, Any]:
        said = "".join(self._texts)
        kind = self.data["type"]
        if kind == "call":
            return {**self.data, **_arguments(said, self.data.get("kind") == "custom")}
        if kind in ("text", "refusal") or (kind == "thinking" and said):
            return {**self.data, "text": said}
        return self.data


def _arguments(said: str, free: bool) -> dict[str, Any]:
    """What a call was made with: an object, or the text when it is none."""
    if free:
        return {"raw": said}
    if not said.strip():
        return {"arguments": {}}
    try:
        given = parse_json(said)
    except JsonError:
        given = None
    return {"arguments": given} if isinstance(given, dict) else {"raw": said}


def _merged(there: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(there)
    for key, value in more.items():
        before = found.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            value = _merged(before, value)
        found[key] = value
    return found


def fold(events: Iterable[Event], format: str = "", natives: Natives | None = None) -> Answer:
    """The canonical answer of a stream. Raises UpstreamError."""
    folded = Fold(format, natives or {})
    for event in events:
        folded.push(event)
    return folded.answer()


# ------------------------------------------------------------------------------------ the way back


def pieces(text: str) -> Iterable[str]:
    """A text in pieces of :data:`PIECE` characters."""
    return (text[start : start + PIECE] for start in range(0, len(text), PIECE))


def unfold(
    answer: Answer,
    format: str = "",
    natives: Natives | None = None,
    cut: Callable[[str], Iterable[str]] = pieces,
) -> Iterator[Event]:
    """The canonical events of an answer, its texts cut into deltas.

    An answer that is an error is that one event. ``format`` and ``natives`` are those of the format
    that the events are written in.
    """
    if answer.get("error"):
        yield {"type": "error", "choice": 0, "error": answer["error"]}
        return
    nested = _Nested(format, natives or {})
    head = {key: answer[key] for key in (*_HEAD, "usage") if key in answer}
    yield {"type": "start", "choice": 0, **head, **nested.of(answer, "start")}
    for position, choice in enumerate(answer["choices"]):
        number = choice.get("index", position)
        for at, part in enumerate(choice["parts"]):
            yield from _part(part, {"choice": number, "part": at}, nested, cut)
    if "usage" in answer:
        yield {"type": "usage", "choice": 0, "usage": answer["usage"]}
    for position, choice in enumerate(answer["choices"]):
        ended = {key: choice[key] for key in _STOP if key in choice}
        yield {
            "type": "stop",
            "choice": choice.get("index", position),
            "reason": choice.get("stop", "end"),
            **ended,
            **nested.of(choice, "stop"),
        }
    yield {"type": "end", "choice": 0}


def left_behind(answer: Answer) -> Iterator[tuple[str, str]]:
    """What :func:`unfold` has no event for: paths in the canonical answer, and why."""
    for position, choice in enumerate(answer.get("choices", ())):
        for at, part in enumerate(choice["parts"]):
            path = f"choices[{position}].parts[{at}]"
            if not told(part):
                yield path, f"no event tells of a part of type {part['type']}"
                continue
            for key in part:
                if key not in _CARRIED:
                    yield f"{path}.{key}", "no event tells of it"


def told(part: Mapping[str, Any]) -> bool:
    """Whether events tell of a part."""
    return part["type"] in (*_TEXTS, "call", "image", "other")


class _Nested:
    """Puts what only a format says of an answer where its events have it."""

    def __init__(self, format: str, natives: Natives) -> None:
        self._format = format
        self._natives = natives

    def of(self, owner: Mapping[str, Any], word: str) -> dict[str, Any]:
        given = owner.get("native")
        if not given:
            return {}
        row, said = self._natives.get(word), given.get(self._format)
        if row is None or said is None:
            return {"native": given}
        return {"native": {**given, self._format: {row[1]: said}}}


def _part(
    part: Mapping[str, Any], at: Event, nested: _Nested, cut: Callable[[str], Iterable[str]]
) -> Iterator[Event]:
    kind = part["type"]
    if not told(part):
        return
    begin: Event = {"type": "part_start", **at, "kind": kind}
    if kind == "call":
        begin |= {key: part[key] for key in _CALL if key in part}
        if "kind" in part:
            begin["call_kind"] = part["kind"]
        said = part["raw"] if "raw" in part else compact_json(part.get("arguments", {}))
    else:
        said = part.get("text", "")
    if part.get("redacted"):
        begin["redacted"] = True
    if kind == "image" and "source" in part:
        begin["source"] = part["source"]
    yield begin | nested.of(part, "other" if kind == "other" else "part")
    word = "args" if kind == "call" else kind
    more = {"logprobs": part["logprobs"]} if "logprobs" in part else {}
    for delta in cut(said):
        yield {"type": word, **at, "delta": delta, **more}
        more = {}
    for citation in part.get("citations", ()):
        yield {"type": "citation", **at, "citation": citation}
    if "signature" in part and kind != "call":
        yield {"type": "signature", **at, "signature": part["signature"]}
    yield {"type": "part_end", **at}
