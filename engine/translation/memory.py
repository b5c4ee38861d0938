"""What a client may lose between two turns and its upstream wants back.

Some clients keep of an answer its text and its calls only. What the next request needs beside them
hangs on the calls: signatures, the signed thinking that led to them, ids that were too long for the
client. An answer names what is to be kept, as texts by key; a request names the keys that would
help it and takes what was found. Who keeps it, for whom and for how long is not known here.

A call has two keys: its id, and, for clients that write ids of their own, what it says. The second
counts the same calls of the conversation and holds what that began with, so that no call gets what
belongs to another. What one vendor signed never goes to another: the first key leads to the vendor,
the second holds it.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.translation.functions import safe_id
from engine.translation.held import Held
from engine.translation.jsontext import JsonError, dumps, loads, stable

Document = dict[str, Any]
Moved = Callable[[Any, Any], None]

MAX_TEXT = 256 * 1024
"""A call with more than that around it is not kept; most have some KiB."""
MAX_STREAM = 1024 * 1024
"""Of a stream with more thinking and arguments than that, in characters, nothing is kept."""

# What safe_id() makes of an id too long to be escaped.
_HASHED = re.compile(r"call_[0-9a-f]{24}")
_THOUGHT = ("type", "text", "redacted", "signature")


class _Keys:
    """The keys of the calls of a conversation, asked for in their order."""

    def __init__(self, turns: list[Document], vendor: str) -> None:
        self._turns = turns
        self._vendor = vendor
        self._opening = b""
        self._seen: Counter[bytes] = Counter()

    def of(self, call: Document) -> list[str]:
        said = self.count(call)
        place = self._seen[said] - 1
        self._opening = self._opening or _opening(self._turns)
        mark = hashlib.blake2b(b"%b%d%b" % (self._opening, place, said), digest_size=16)
        ident = safe_id(_id(call))
        by_id = [f"id|{ident}"] if ident else []
        return [*by_id, f"said|{self._vendor}|{mark.hexdigest()}"]

    def count(self, call: Document) -> bytes:
        """Pass a call by."""
        arguments = call["arguments"] if "arguments" in call else call.get("raw")
        said = stable([call.get("name"), arguments])
        self._seen[said] += 1
        return said


def keep(request: Held, vendor: str, choices: Iterable[list[Document]]) -> dict[str, str]:
    """What is to be kept of an answer to a canonical request: its parts, choice by choice."""
    kept: dict[str, str] = {}
    for parts in choices:
        keys: _Keys | None = None
        around: list[list[Any]] = []
        others = 0
        for place, part in enumerate(parts):
            kind, signature = part["type"], part.get("signature")
            if kind != "call":
                if signature and kind in ("thinking", "text"):
                    around.append([others, _without_text(part)])
                others += kind != "thinking"
                continue
            value = {"id": _shortened(part), "signature": signature, "around": around}
            value = {key: each for key, each in value.items() if each}
            if keys is not None:
                names = keys.of(part)
            elif value:
                asked = request.get()
                keys = _Keys(_turns(asked), vendor)
                for call in (*_calls(asked), *_only_calls(parts[:place])):
                    keys.count(call)
                names = keys.of(part)
            text = dumps({"vendor": vendor, **value}).decode() if value else ""
            if 0 < len(text) <= MAX_TEXT:
                kept |= dict.fromkeys(names, text)
            around, others = [], 0
    return kept


def wanted(request: Document, vendor: str) -> list[str]:
    """The keys of what the calls of a canonical request may have lost."""
    return [key for keys in _asked(request, vendor).values() for key in keys]


def restore(request: Document, vendor: str, found: Mapping[str, str], moved: Moved) -> None:
    """Put what was found back into a canonical request, whose objects are changed in place.

    ``moved`` is told each list and the one that takes its place.
    """
    asked = _asked(request, vendor)
    ids: dict[str, str] = {}
    for turn in _turns(request):
        signed = _signed(turn)
        before: list[Document] = turn["parts"]
        parts: list[Document] = []
        group: list[Document] = []
        for part in before:
            kept = _kept(asked.get(id(part), ()), vendor, found)
            if "id" in kept and "id" in part:
                ids[part["id"]] = part["id"] = kept["id"]
            if not signed:
                if "signature" in kept:
                    part["signature"] = kept["signature"]
                group = _around(group, kept.get("around", ()))
            if part["type"] == "call":
                parts += [*group, part]
                group = []
            else:
                group.append(part)
        parts += group
        if len(parts) != len(before) or any(a is not b for a, b in zip(parts, before, strict=True)):
            turn["parts"] = parts
            moved(before, parts)
        for part in parts:
            if part["type"] == "result" and part.get("call_id") in ids:
                part["call_id"] = ids[part["call_id"]]


def _asked(request: Document, vendor: str) -> dict[int, list[str]]:
    """The keys of each call that may have lost something, by the identity of its object."""
    found: dict[int, list[str]] = {}
    turns = _turns(request)
    keys = _Keys(turns, vendor)
    for turn in turns:
        signed = _signed(turn)
        for part in turn["parts"]:
            if part["type"] != "call":
                continue
            if not signed:
                found[id(part)] = keys.of(part)
            elif _HASHED.fullmatch(_id(part)):
                found[id(part)] = keys.of(part)[:1]
            else:
                keys.count(part)
    return found


def _kept(keys: Iterable[str], vendor: str, found: Mapping[str, str]) -> Document:
    """What is known of a call: by its id when that is known at all."""
    for key in keys:
        if key in found:
            try:
                value = loads(found[key])
            except JsonError:
                value = None
            return value if isinstance(value, dict) and value.get("vendor") == vendor else {}
    return {}


def _around(group: list[Document], kept: Iterable[list[Any]]) -> list[Document]:
    """The parts before a call with the signed ones among them, each where it stood."""
    thoughts = [(at, part) for at, part in kept if part["type"] == "thinking"]
    for at, part in kept:
        others = [each for each in group if each["type"] != "thinking"]
        if part["type"] == "text" and at < len(others) and others[at]["type"] == "text":
            others[at]["signature"] = part["signature"]
    if not thoughts:
        return group
    # What the client kept of the thinking gives way to the whole.
    others = [each for each in group if each["type"] != "thinking"]
    for at, part in reversed(thoughts):
        others.insert(at, part)
    return others


def _turns(request: Document) -> list[Document]:
    return [turn for turn in request.get("turns") or () if isinstance(turn.get("parts"), list)]


def _calls(request: Document) -> Iterable[Document]:
    return (call for turn in _turns(request) for call in _only_calls(turn["parts"]))


def _only_calls(parts: Iterable[Document]) -> Iterable[Document]:
    return (part for part in parts if part["type"] == "call")


def _signed(turn: Document) -> bool:
    """Whether the client brought back what was signed."""
    return any("signature" in part for part in turn["parts"])


def _id(call: Document) -> str:
    """Empty where an upstream wrote what is no id."""
    ident = call.get("id")
    return ident if isinstance(ident, str) else ""


def _shortened(call: Document) -> str | None:
    """The id of a call that clients know by a hash only."""
    ident = _id(call)
    known = safe_id(ident)
    return ident if known != ident and _HASHED.fullmatch(known or "") else None


def _without_text(part: Document) -> Document:
    """A signed part as it is kept: the text of an answer comes back by itself."""
    names = _THOUGHT if part["type"] == "thinking" else ("type", "signature")
    return {name: part[name] for name in names if name in part}


def _opening(turns: list[Document]) -> bytes:
    """A digest of the first turn's words, never empty."""
    digest = hashlib.blake2b(digest_size=16)
    for part in turns[0]["parts"] if turns else ():
        digest.update(str(part.get("text", "")).encode("utf-8", "surrogatepass") + b"\0")
    return digest.digest()


@dataclass(slots=True)
class _Part:
    """A part of a stream as it comes."""

    part: Document
    pieces: list[str] = field(default_factory=list)

    def whole(self) -> Document:
        text, kind = "".join(self.pieces), self.part["type"]
        if kind == "thinking" and text:
            return {**self.part, "text": text}
        if kind != "call":
            return self.part
        if self.part.get("kind") != "custom":
            try:
                sent = loads(text) if text.strip() else {}
            except JsonError:
                sent = None
            if isinstance(sent, dict):
                return {**self.part, "arguments": sent}
        return {**self.part, "raw": text}


class Watcher:
    """Takes from the events of a stream what :func:`keep` needs. Bounded; see MAX_STREAM."""

    def __init__(self) -> None:
        self._choices: dict[int, dict[int | str, _Part]] = {}
        self._size = 0

    def push(self, event: Document) -> None:
        """Look at an event of the read half."""
        kind = event["type"]
        if kind not in _WATCHED or self._size > MAX_STREAM:
            return
        parts = self._choices.setdefault(event.get("choice", 0), {})
        name: int | str = event.get("part", "")
        if kind == "part_start":
            parts[name] = _Part(_begun(event))
        elif name not in parts:
            return
        elif kind == "signature" and "signature" in event:
            parts[name].part["signature"] = event["signature"]
        elif isinstance(event.get("delta"), str):
            self._size += len(event["delta"])
            parts[name].pieces.append(event["delta"])

    def more(self, event: Document) -> Callable[[str], None] | None:
        """What takes the texts of events that are like this one but for it; None where texts of
        their kind are not looked at."""
        if event["type"] not in _WATCHED:
            return None
        return lambda text: self.push({**event, "delta": text})

    def choices(self) -> list[list[Document]]:
        """The parts so far, choice by choice."""
        if self._size > MAX_STREAM:
            return []
        return [[part.whole() for part in parts.values()] for parts in self._choices.values()]


_WATCHED = frozenset({"part_start", "thinking", "args", "signature"})


def _begun(event: Document) -> Document:
    part = {"type": event.get("kind", "other"), "kind": event.get("call_kind")}
    part |= {key: event.get(key) for key in ("id", "name", "redacted", "signature")}
    return {key: value for key, value in part.items() if value is not None}
