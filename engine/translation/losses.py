"""What was lost, told in the client's own document; where each field came from.

A request is read into the canonical form and written from it: two traced runs. :class:`Origins`
joins them, so that a loss of the write half, whose path is canonical, is told by the path the
client wrote.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from engine.language.lost import Sources
from engine.language.results import Rule
from engine.language.trace import Note, Trace, TracedLoss, containers, step, untold

# What $rest kept of an object, in the canonical form.
_NATIVE = re.compile(r"(^|\.)native(\.[^.\[]+)?$")
# When several readings made a field, the word that says most about it.
_HOW = ("clamp", "emulate", "supply", "map", "copy")


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing that did not get across.

    ``path`` in the client's document (of an answer: in the upstream's), ``rule`` is
    ``file:line:column``,
    ``kind`` dropped, clamped, emulated or unread, ``side`` request or response.
    """

    path: str
    reason: str
    rule: str
    kind: str
    side: str

    def as_dict(self) -> dict[str, str]:
        """The loss as JSON data."""
        return asdict(self)


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

    def lost(self, loss: TracedLoss | Loss) -> list[str]:
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
        return any(place == path and each == {} for place, each in _leaves(value, name))

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


@dataclass(frozen=True, slots=True)
class Side:
    """What one half lost, by paths of the document it read, and its rules."""

    losses: list[TracedLoss]
    rules: tuple[Rule, ...]


def told(read: Run, write: Side | None, side: str, moved: Moved | None = None) -> list[Loss]:
    """All losses of a translation, each path and reason once, in the order they came up.

    ``write``: what the write half lost, by paths of the canonical document, whose lists may have
    ``moved`` between the halves.
    """
    if write is None:
        return _told([(read.side, _own)], side)
    return _told([(read.side, _own), (write, Origins(read, moved).lost)], side)


def relocated(losses: Iterable[Loss], read: Run) -> list[Loss]:
    """Losses told by canonical paths, by those of the document that was read."""
    origins = Origins(read)
    return [replace(loss, path=path) for loss in losses for path in origins.lost(loss)]


def told_at_once(read: Side, write: Side, copied: Copied, side: str) -> list[Loss] | None:
    """The same without a traced run; None where only one can tell where something came from."""
    places = {loss.path: copied.of(loss.path) for loss in write.losses}
    if None in places.values():
        return None
    sides = [(read, _own), (write, lambda loss: places[loss.path] or [])]
    return _told(sides, side)


def _own(loss: TracedLoss) -> list[str]:
    return [loss.path]


def _told(sides: Sequence[tuple[Side, Callable[[TracedLoss], list[str]]]], side: str) -> list[Loss]:
    found: dict[tuple[str, str], Loss] = {}
    for lost, places in sides:
        for loss in lost.losses:
            rule = lost.rules[loss.rule].place if loss.rule >= 0 else ""
            for path in places(loss):
                made = Loss(path, loss.reason, rule, loss.kind, side)
                found.setdefault((path, loss.reason), made)
    return untold(found.values())


class Copied:
    """Where the values of a canonical document came from, as far as its half copies them from
    places that are known beforehand (:func:`engine.language.lost.sources`)."""

    def __init__(self, sources: Sources, document: Any, canonical: Any) -> None:
        self._sources = sources
        self._document = document
        self._canonical = canonical

    def of(self, path: str) -> list[str] | None:
        """The source paths behind a canonical path; None when that is not certain."""
        if not path:
            return [""]
        value = _at(self._canonical, path)
        if value is None:
            return None
        known = self._sources.get(path)
        if known is None:
            return self._kept(path, value)
        if known:
            there = (each for each in known if _at(self._document, each) is not None)
            found = next(there, None)
            return None if found is None else [found]
        pieces = _same(value, self._document, path, "")
        if pieces is None:
            return None
        # in the order of a traced run
        order = sorted(pieces, key=lambda piece: (piece[0][len(path)] != ".", piece[0]))
        return [place for _, place in order]

    def _kept(self, path: str, value: Any) -> list[str] | None:
        """Where one key stood of what a ``$rest`` kept."""
        for kept, known in self._sources.items():
            key = path[len(kept) + 1 :]
            if known or not path.startswith(f"{kept}.") or type(self._document) is not dict:
                continue
            if self._document.get(key) is value:
                return [key]
        return None


def _at(document: Any, path: str) -> Any:
    """The value at a path of plain keys; None when there is none."""
    for key in path.split("."):
        document = document.get(key) if type(document) is dict else None
    return document


def _same(value: Any, document: Any, path: str, place: str) -> list[tuple[str, str]] | None:
    """The paths of what was taken as it was from an object, and where it stood; None when there is
    something else in it."""
    if type(value) is not dict or type(document) is not dict:
        return None
    found: list[tuple[str, str]] = []
    for key, each in value.items():
        below, there = step(path, key), step(place, key)
        if each is document.get(key):
            found.append((below, there))
            continue
        inner = _same(each, document.get(key), below, there)
        if inner is None:
            return None
        found += inner
    return found


def explained(read: Run, write: Run, moved: Moved | None = None) -> list[dict[str, Any]]:
    """Every leaf of what was written: ``{out, in: [paths], rule, how}``; ``moved`` as in
    :func:`told`."""
    return rows(write, Origins(read, moved).of)


def rows(write: Run, sources: Callable[[str], list[str]]) -> list[dict[str, Any]]:
    """As :func:`explained`; ``sources`` knows the paths behind a path of the document that was
    written from."""
    notes = write.trace.outputs(write.result)
    told: list[dict[str, Any]] = []
    for path, _ in _leaves(write.result, ""):
        own = notes.get(path)
        if own is None:
            told.append({"out": path, "in": sources(path), "rule": "", "how": "copy"})
            continue
        behind = [each for note in own for found in note.paths for each in sources(found)]
        words = {note.how for note in own}
        how = next((word for word in _HOW if word in words), "const")
        number = next((note.rule for note in reversed(own) if note.rule >= 0), -1)
        told.append(
            {
                "out": path,
                "in": list(dict.fromkeys(behind)),
                "rule": write.pos(number),
                "how": how if behind or how in ("supply", "emulate") else "const",
            }
        )
    return told


def join(base: str, path: str) -> str:
    """``path`` below ``base``."""
    return f"{base}.{path}" if base and path and not path.startswith("[") else base + path


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from _leaves(each, step(path, key))
    elif isinstance(value, list) and value:
        for position, each in enumerate(value):
            yield from _leaves(each, step(path, position))
    else:
        yield path, value
