"""Which field of a whole canonical answer is which of the events that tell it, both ways.

For losses: what a bridge writes from is not what the upstream sent, so that a path has to be
brought over before it can be told as one of the upstream's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from engine.language.sources import ANY, EARLIER
from engine.translation.wholes import Answer, Event, Natives, told

# By the type of an event: what fields of it are called in the answer, where that is otherwise.
_TEXT = {"delta": "text"}
_NAMES: dict[str, dict[str, str]] = {
    "part_start": {"kind": "type", "call_kind": "kind"},
    "text": _TEXT,
    "thinking": _TEXT,
    "refusal": _TEXT,
    "args": {"delta": "arguments"},
    "stop": {"reason": "stop"},
}
_OF_ANSWER = frozenset({"start", "usage", "end", "error"})
_DELTAS = ("text", "thinking", "refusal")
_PLACE = re.compile(r"choices\[(\d+)\](?:\.parts\[(\d+)\])?\.?(.*)", re.DOTALL)
_CITATION = re.compile(r"citations(?:\[(\d+)\])?(.*)", re.DOTALL)
_NATIVE = "native"

# An event, the upstream's that it was read from, and the one before that.
Said = tuple[Event, Event | None, Event | None]


def in_answer(path: str, event: Event, answer: Answer, format: str, natives: Natives) -> list[str]:
    """The places in an answer of a path of an event that was made from it for a writer of
    ``format``; parts may have been numbered anew."""
    words, _, plain = path.rpartition(EARLIER)
    types = [word for word in words.split() if word != ANY] or [event["type"]]
    return list(
        dict.fromkeys(_there(kind, plain, event, answer, format, natives) for kind in types)
    )


def _there(
    kind: str, path: str, event: Event, answer: Answer, format: str, natives: Natives
) -> str:
    owner = "" if kind in _OF_ANSWER else _owner(kind, event, answer)
    key, dot, rest = path.partition(".")
    if key in ("", "choice", "part"):
        return owner
    if kind == "citation" and key == "citation":
        key = f"citations[{_number(event, owner, answer)}]"
    elif key == _NATIVE:
        word = {"part_start": "other" if event.get("kind") == "other" else "part"}.get(kind, kind)
        inner = natives.get(word, ("", ""))[1]
        rest = re.sub(rf"^{re.escape(f'{format}.{inner}')}(?=\.|$)", format, rest)
    key = _NAMES.get(kind, {}).get(key, key)
    return ".".join(filter(None, (owner, f"{key}{dot}{rest}")))


def _owner(kind: str, event: Event, answer: Answer) -> str:
    number = event.get("choice", 0)
    choices = answer.get("choices", [])
    at = next((at for at, each in enumerate(choices) if each.get("index", at) == number), 0)
    if kind == "stop" or "part" not in event or at >= len(choices):
        return f"choices[{at}]"
    shown = [place for place, part in enumerate(choices[at]["parts"]) if told(part)]
    part = event["part"]
    place = shown[part] if type(part) is int and part < len(shown) else part
    return f"choices[{at}].parts[{place}]"


def _number(event: Event, owner: str, answer: Answer) -> int:
    """Which citation of its part an event tells."""
    found = _PLACE.match(owner)
    if found is None or found[2] is None:
        return 0
    parts = answer["choices"][int(found[1])]["parts"]
    given = parts[int(found[2])].get("citations", ()) if int(found[2]) < len(parts) else ()
    return next((at for at, each in enumerate(given) if each is event.get("citation")), 0)


class Sayings:
    """Which event of a stream said what of the answer that it was gathered to, and which of the
    upstream's it was read from. Of the deltas of a part the first is kept, citations all."""

    def __init__(self, format: str, natives: Natives) -> None:
        self._format = format
        self._natives = natives
        self._ends: dict[str, list[Said]] = {}
        self._stops: dict[int, Said] = {}
        self._parts: dict[int, list[dict[str, list[Said]]]] = {}
        self._open: dict[tuple[int, Any], dict[str, list[Said]]] = {}

    def push(self, event: Event, wire: Event | None, before: Event | None) -> None:
        """An event, the upstream's that it was read from, and the one before that."""
        said = (event, wire, before)
        kind, number = event["type"], event.get("choice", 0)
        if kind in _OF_ANSWER:
            self._ends[kind] = [said]
        elif kind == "stop":
            self._stops[number] = said
        elif kind == "part_start":
            part = self._open[number, event["part"]] = {kind: [said]}
            self._parts.setdefault(number, []).append(part)
        else:
            known = self._open.get((number, event["part"]))
            if known is not None and (kind == "citation" or kind not in known):
                known.setdefault(kind, []).append(said)

    def of(self, path: str) -> Iterator[tuple[Said, str]]:
        """What said what stands at a path of the answer, each with its path in that event."""
        found = _PLACE.match(path)
        if found is None:
            yield from self._of_answer(path)
            return
        numbers = sorted({*self._parts, *self._stops})
        at, place, rest = int(found[1]), found[2], found[3]
        parts = self._parts.get(numbers[at], []) if at < len(numbers) else []
        if place is not None:
            if int(place) < len(parts):
                yield from self._of_part(parts[int(place)], rest)
        elif rest.startswith("parts"):
            for part in parts[:1]:
                yield from self._of_part(part, "")
        elif at < len(numbers) and numbers[at] in self._stops:
            said = self._stops[numbers[at]]
            yield from self._of_event(said, {"stop": "reason"}.get(rest, rest), "stop")

    def _of_answer(self, path: str) -> Iterator[tuple[Said, str]]:
        key = path.partition(".")[0]
        for said in self._ends.get("usage", []) if key == "usage" else []:
            yield said, path
        for said in self._ends.get("start", []):
            if key in said[0] and not (key == "usage" and "usage" in self._ends):
                yield from self._of_event(said, path, "start")
        if key in ("tier", _NATIVE):
            for said in self._stops.values():
                if key in said[0]:
                    yield from self._of_event(said, path, "stop")

    def _of_part(self, part: dict[str, list[Said]], path: str) -> Iterator[tuple[Said, str]]:
        start = part["part_start"][0]
        kind = start[0]["kind"]
        # a part as a whole is where its words are
        path = path or {"call": "arguments", "other": _NATIVE, "image": "source"}.get(kind, "text")
        key = path.partition(".")[0]
        cited = _CITATION.match(path)
        delta = next((kind for kind in _DELTAS if kind in part), "")
        if cited is not None:
            given = part.get("citation", [])
            for said in given[int(cited[1] or 0) :][:1]:
                yield said, f"citation{cited[2]}"
        elif key in ("arguments", "raw"):
            yield from ((said, "delta") for said in part.get("args", [start]))
        elif key in ("text", "logprobs"):
            name = "delta" if key == "text" else path
            yield from ((said, name) for said in part.get(delta, []))
        elif key == "signature" and "signature" in part:
            yield part["signature"][0], path
        else:
            word = "other" if kind == "other" else "part"
            names = {"type": "kind", "kind": "call_kind"}
            yield from self._of_event(start, names.get(path, path), word)

    def _of_event(self, said: Said, path: str, word: str) -> Iterator[tuple[Said, str]]:
        """What only a format says may stand one deeper in events, under a key of theirs."""
        keys = path.split(".")
        if keys[:2] != [_NATIVE, self._format] or len(keys) == 2:
            yield said, path
            return
        inner = self._natives.get(word, ("", ""))[1]
        for tried in (keys, [*keys[:2], inner, *keys[2:]]):
            value: Any = said[0]
            for key in tried:
                value = value.get(key) if isinstance(value, dict) else None
            if value is not None:
                yield said, ".".join(tried)
                return
