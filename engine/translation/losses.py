"""What was lost, told in the client's own document; where each field came from.

A request is read into the canonical form and written from it: a loss of the write half, whose path
is canonical, is told by the path the client wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from engine.language.lost import Sources
from engine.language.places import step
from engine.language.trace import TracedLoss, untold
from engine.translation.runs import Moved, Origins, Run, Side, leaves

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
    for path, _ in leaves(write.result, ""):
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
