"""Traced runs of the halves, and where the values that the first one made came from.

:class:`Origins` joins two runs: a canonical path becomes the paths behind it that the client wrote.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from engine.language.places import containers, step
from engine.language.results import Rule
from engine.language.trace import Lost, Note, Trace, TracedLoss

# What $rest kept of an object, in the canonical form.
_NATIVE = re.compile(r"(^|\.)native(\.[^.\[]+)?$")


@dataclass(frozen=True, slots=True)
class Side:
    """What one half lost, by paths of the document it read, and its rules."""

    losses: list[TracedLoss]
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """One traced run: the rules of the program, what it gave, what it recorded."""

    rules: tuple[Rule, ...]
    result: Any
    trace: Trace

    @property
    def side(self) -> Side:
        """What was lost."""
        return Side(self.trace.losses, self.rules)

    def pos(self, rule: int) -> str:
        """``file:line:column`` of a rule of this run."""
        return self.rules[rule].place if rule >= 0 else ""


# Lists whose elements were moved between the halves: how far, or None when others took their place.
Moved = Mapping[str, int | None]
_ELEMENT = re.compile(r"(\w+)\[(\d+)\]")
# The first key of a path, with the position in the list there.
_PART = re.compile(r"([\w-]+)(?:\[(\d+)\])?(?=[.\[]|$)")


class Origins:
    """Where the values of a canonical document came from; its lists may have been ``moved``."""

    def __init__(self, run: Run, moved: Moved | None = None) -> None:
        self._notes = _Notes(run.trace, run.result)
        self._moved = moved or {}
        self._lost: dict[tuple[str, bool], list[str]] = {}

    def lost(self, loss: Lost) -> list[str]:
        """The source paths that a loss is told by, whose own path is canonical."""
        # several checks find what nothing reads
        unread = loss.kind == "unread" and bool(loss.path)
        places = self._lost.get((loss.path, unread))
        if places is None:
            if unread:
                places = self.each(loss.path)
            else:
                # what is lost on purpose is told, even when only its surroundings have a place
                found = self.of(loss.path) if loss.path else []
                places = found or [self.near(loss.path) or ""]
            self._lost[loss.path, unread] = places
        return places

    def _before(self, path: str) -> str | None:
        """The path that a value had before lists were moved; None for what was put in."""
        found = _ELEMENT.match(path)
        if found is None or found[1] not in self._moved:
            return path
        by = self._moved[found[1]]
        position = -1 if by is None else int(found[2]) - by
        return None if position < 0 else f"{found[1]}[{position}]{path[found.end() :]}"

    def of(self, path: str, conditions: bool = True) -> list[str]:
        """The source paths behind a canonical path; none for what a rule wrote by itself.

        ``conditions``: what a rule wrote by itself stands for what it was written on condition of.
        """
        was = self._before(path)
        if was is None:
            return []
        path = was
        notes = self._notes.get(path)
        if notes is None:
            below = self._below(path)
            return meeting(below) if below else self._above(path)
        made = _paths(note for note in notes if note.how != "when")
        # a name for what rules built is copied from nowhere: what is in it tells where it is from
        copied = any(note.how == "copy" and note.paths for note in notes)
        below = [] if copied else self._below(path)
        asked = _paths(note for note in notes if note.how == "when") if conditions else []
        if not below:
            return made or asked
        found = meeting([*made, *below])
        if len(found) == len(asked) == 1 and asked[0] in containers(found[0]):
            return asked
        return found

    def each(self, path: str) -> list[str]:
        """The source paths of what nothing reads; what only one format says is told piece by piece.

        What a rule of the read half wrote by itself was never the source's, but for an empty
        object: that it is there says what it was written on condition of.
        """
        pieces = self._below(self._before(path) or "") if _NATIVE.search(path) else []
        return pieces or self.of(path, conditions=self._notes.bare(path))

    def near(self, path: str) -> str | None:
        """One source path for a canonical path, if need be that of what it stands in."""
        if self._before(path) is None:
            return None
        for place in (path, *containers(path)):
            found = self.of(place)
            if found:
                return found[0]
        return None

    def _below(self, path: str) -> list[str]:
        found: dict[str, None] = {}
        for notes in self._notes.inside(path):
            found |= dict.fromkeys(_paths(note for note in notes if note.how != "when"))
        return [one for one in found if not any(other in found for other in containers(one))]

    def _above(self, path: str) -> list[str]:
        for parent in containers(path):
            if next(self._notes.inside(parent), None) is not None:
                return []  # an object that rules built, without this key
            notes = [note for note in self._notes.get(parent) or () if note.how != "when"]
            if notes:
                rest = path[len(parent) :]
                return [
                    f"{found}{rest}" if len(notes) == 1 and notes[0].how == "copy" else found
                    for found in _paths(notes)
                ]
        return []


class _Part(NamedTuple):
    """A part of a result: its path, its value, the notes of all paths in it, these in order."""

    path: str
    value: Any
    notes: dict[str, tuple[Note, ...]]
    order: list[str]


class _Notes:
    """The notes of a run by the paths of its result, looked up where they are asked for: of a
    conversation the turns in question."""

    def __init__(self, trace: Trace, result: Any) -> None:
        self._trace = trace
        self._result = result
        # by the path of a part of the result
        self._known: dict[str, _Part] = {}

    def get(self, path: str) -> tuple[Note, ...] | None:
        """The notes of a path; None when nothing is known of it."""
        return self._part(path).notes.get(path)

    def bare(self, path: str) -> bool:
        """Whether there is an empty object."""
        name, value = self._part(path)[:2]
        return any(place == path and each == {} for place, each in leaves(value, name))

    def inside(self, path: str) -> Iterator[tuple[Note, ...]]:
        """The notes of what the value at ``path`` holds."""
        _, _, notes, order = self._part(path)
        for prefix in (f"{path}.", f"{path}["):
            for position in range(bisect_left(order, prefix), len(order)):
                if not order[position].startswith(prefix):
                    break
                yield notes[order[position]]

    def _part(self, path: str) -> _Part:
        """The part that a path leads to: a key of the result, or an element of the list there."""
        found = _PART.match(path) if type(self._result) is dict else None
        name = found[0] if found is not None else ""
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._read(name, found)
        return known

    def _read(self, name: str, found: re.Match[str] | None) -> _Part:
        value, own = self._result, None
        if found is not None:
            holder, key = value, found[1]
            value = holder.get(key)
            if key in holder:
                own = self._trace.output(holder, key, value, conditions=True)
            if found[2] is not None:
                holder, position = value, int(found[2])
                there = type(holder) is list and position < len(holder)
                value = holder[position] if there else None
                own = self._trace.output(holder, position, value, True) if there else None
        notes = self._trace.outputs(value, conditions=True, at=name, deep=False)
        if own is not None:
            notes[name] = own
        return _Part(name, value, notes, sorted(notes))


def _paths(notes: Iterable[Note]) -> list[str]:
    return list(dict.fromkeys(path for note in notes for path in note.paths if path))


def _segments(path: str) -> list[str]:
    return path.replace("[", ".[").split(".")


def _joined(segments: list[str]) -> str:
    return ".".join(segments).replace(".[", "[")


def meeting(paths: list[str]) -> list[str]:
    """Where the paths meet, one for each key of the document they begin with."""
    by_root: dict[str, list[str]] = {}
    for path in paths:
        segments = _segments(path)
        known = by_root.get(segments[0])
        if known is None:
            by_root[segments[0]] = segments
            continue
        same = itertools.takewhile(
            lambda pair: pair[0] == pair[1], zip(known, segments, strict=False)
        )
        by_root[segments[0]] = [one for one, _ in same]
    return [_joined(segments) for segments in by_root.values()]


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """What holds nothing further in a value at a path, each with its own path."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from leaves(each, step(path, key))
    elif isinstance(value, list) and value:
        for position, each in enumerate(value):
            yield from leaves(each, step(path, position))
    else:
        yield path, value
