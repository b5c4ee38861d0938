"""Where the fields of canonical events stood in the upstream's own: for losses and explanations.

A traced run knows it of one event. What waited in a state, was held for its turn or is lost while
no run is traced, is known from the mapping alone (:mod:`engine.language.sources`): paths without
positions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from engine.language.sources import ANY, EARLIER, Table
from engine.translation.losses import join
from engine.translation.runs import Origins, Run, meeting

_NATIVE = "native"
# So many paths are told at most of what an earlier event may have said in several places.
_MOST = 4
# They number what an event is about, and say nothing of where it stood.
_NUMBERS = frozenset({"choice", "part"})


@dataclass(slots=True)
class EventOrigins:
    """``table`` is that of the read half. ``wire``: the upstream's event that is being read,
    ``before`` the one before it, ``event``: the canonical one that is being written."""

    table: Table
    wire: dict[str, Any] | None = None
    before: dict[str, Any] | None = None
    event: dict[str, Any] | None = None
    _known: dict[tuple[str, str], list[tuple[str, bool]]] = field(default_factory=dict)

    def places(self, path: str, kind: str) -> list[str]:
        """The paths that a loss of the write half is told by: one, and for what nobody reads of
        what only a format says one for each key."""
        words, _, plain = path.rpartition(EARLIER)
        event = self.event or {}
        types = [word for word in words.split() if word != ANY] or [event.get("type", ANY)]
        if words or kind != "unread":
            return [self.one(types, plain)]
        return list(
            dict.fromkeys(
                self.one(types, piece)
                for said in _said(_value(event, plain), plain)
                for piece in self._kept(types, said)
            )
        )

    def _kept(self, types: list[str], path: str) -> Iterable[str]:
        """What only a format says is told key by key, unless it stood like this in the event."""
        value = _value(self.event or {}, path)
        if _NATIVE not in path.split(".")[-2:] or not isinstance(value, dict):
            return [path]
        places = [place for kind in types for place in self.of(kind, path) if place]
        whole = any(value in _standing(self.wire or {}, place)[1] for place in places)
        return [path] if whole else _leaves(value, path)

    def one(self, types: list[str], path: str) -> str:
        """The path of a field of an event of one of these types; its own where it has no other."""
        value = _value(self.event or {}, path)
        made = isinstance(value, dict | list)
        found = [each for kind in types for each in self.of(kind, path, made)]
        found = found or [each for kind in types for each in self._around(kind)]
        if not found:
            return path
        whole: list[str] = []
        cut: list[str] = []
        for wire in filter(None, (self.wire, self.before)):
            for each in filter(None, found):
                there, values = _standing(wire, each)
                if value is not None and value in values:
                    return there
                if values:
                    (whole if there.count(".") >= each.count(".") else cut).append(there)
            if whole:
                break
        likely = whole or cut or found
        # an object that rules made: where its pieces stood together
        return meeting(likely)[0] if made else likely[0]

    def of(self, kind: str, path: str, made: bool = False) -> list[str]:
        """All that a field may come from; ``made``: it is an object, with all that is in it."""
        rows = self._rows(kind)
        nearest = path
        while nearest and nearest not in rows:
            nearest = nearest.rpartition(".")[0]
        found: list[str] = []
        if nearest:
            rest = path[len(nearest) :]
            found = [(each + rest).lstrip(".") if copy else each for each, copy in rows[nearest]]
        if made or not nearest:
            inside = [known for known in rows if known.startswith(f"{path}.")]
            found += [each for known in inside for each, _ in rows[known]]
        return list(dict.fromkeys(found))

    def _around(self, kind: str) -> list[str]:
        """What the rest of an event comes from, of a field that the mapping wrote by itself."""
        rows = self._rows(kind)
        return [each for known in rows if known not in _NUMBERS for each, _ in rows[known]]

    def _rows(self, kind: str) -> dict[str, tuple[tuple[str, bool], ...]]:
        return {**self.table.get(ANY, {}), **self.table.get(kind, {})}


class Traced:
    """What one event of the upstream was read to, in a traced run: for explanations."""

    def __init__(self, origins: EventOrigins, run: Run) -> None:
        self._static = origins
        self._events: list[dict[str, Any]] = [dict(each) for each in run.result]
        self._traced = Origins(run)

    def of(self, event: dict[str, Any]) -> Callable[[str], list[str]]:
        """The paths behind a path of a canonical event that is written now: of this event of the
        upstream, or without positions where an earlier one said it or it was held for its turn."""
        bare = {key: value for key, value in event.items() if key != "part"}
        at = next((n for n, each in enumerate(self._events) if bare.items() <= each.items()), None)

        def sources(path: str) -> list[str]:
            words, _, plain = path.rpartition(EARLIER)
            types = [word for word in words.split() if word != ANY] or [event["type"]]
            if at is None or words:
                found = [each for kind in types for each in self._static.of(kind, _bare(plain))]
            else:
                found = self._traced.of(join(f"[{at}]", plain))
            found = list(dict.fromkeys(each.rpartition(EARLIER)[2] for each in found))
            if len(found) < 2:
                return found
            # of all that it may come from, what is there
            wire = self._static.wire or {}
            there = [each for each in found if _standing(wire, _spread(each))[0] == _spread(each)]
            return [each for each in there if _standing(wire, _spread(each))[1]] or found[:_MOST]

        return sources


def _bare(path: str) -> str:
    return re.sub(r"\[\d+\]", "", path)


def _spread(path: str) -> str:
    return re.sub(r"\[\d+\]", "[]", path)


def _value(event: Any, path: str) -> Any:
    for key in path.split("."):
        event = event.get(key) if isinstance(event, dict) else None
    return event


def _said(value: Any, path: str) -> Iterator[str]:
    """Of an object that holds what formats say, each by itself."""
    if path.split(".")[-1] == _NATIVE and isinstance(value, dict):
        yield from (f"{path}.{name}" for name in value)
    else:
        yield path


def _leaves(value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict) or not value:
        yield path
        return
    for key, each in value.items():
        yield from _leaves(each, f"{path}.{key}")


def _standing(wire: Any, path: str) -> tuple[str, list[Any]]:
    """What stands in an event at a path, and the path: where what it leads through is a text, that
    of this. Of lists all elements are looked at, also where the path does not say so."""
    seen = ""
    found = [wire]
    for key in path.replace("[]", "").split("."):
        inner = [
            each[key] for each in found if isinstance(each, dict) and each.get(key) is not None
        ]
        if not inner:
            bare = bool(seen) and all(isinstance(value, str) for value in found)
            return seen, found if bare else []
        seen = f"{seen}.{key}" if seen else key
        found = []
        for each in inner:
            found += each if isinstance(each, list) else [each]
        if any(isinstance(each, list) for each in inner):
            seen += "[]"
    return (path if path.endswith("[]") else seen.removesuffix("[]")), found
