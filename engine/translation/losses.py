"""What was lost, told in the client's own document; where each field came from.

A request is read into the canonical form and written from it: two traced runs. :class:`Origins` joins them, so that a
loss of the write half, whose path is canonical, is told by the path the client wrote.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from engine.language.results import Rule
from engine.language.trace import Note, Trace, TracedLoss, step

# When several readings made a field, the word that says most about it.
_HOW = ("clamp", "emulate", "supply", "map", "copy")


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing that did not get across.

    ``path`` in the client's document (of an answer: in the upstream's), ``rule`` is ``file:line:column``,
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

    def pos(self, rule: int) -> str:
        """``file:line:column`` of a rule of this run."""
        return str(self.rules[rule].pos) if rule >= 0 else ""


class Origins:
    """Where the values of a canonical document came from."""

    def __init__(self, run: Run) -> None:
        self._notes = run.trace.outputs(run.result)

    def of(self, path: str) -> list[str]:
        """The source paths behind a canonical path; none for what a rule wrote by itself."""
        notes = self._notes.get(path)
        if notes is not None:
            paths = _paths(notes)
            if paths:
                return paths
        below = [
            found
            for known, inner in self._notes.items()
            if known.startswith(path) and known[len(path) : len(path) + 1] in (".", "[")
            for found in _paths(inner)
        ]
        if below:
            return [_common(below)]
        return [] if notes is not None else self._above(path)

    def _above(self, path: str) -> list[str]:
        parent = path
        while parent:
            parent = parent[: max(parent.rfind("."), parent.rfind("["), 0)]
            if any(known[: len(parent) + 1] in (f"{parent}.", f"{parent}[") for known in self._notes):
                return []  # an object that rules built, without this key
            notes = self._notes.get(parent)
            if notes:
                rest = path[len(parent) :]
                return [
                    f"{found}{rest}" if len(notes) == 1 and notes[0].how == "copy" else found
                    for found in _paths(notes)
                ]
        return []


def _paths(notes: Iterable[Note]) -> list[str]:
    return list(dict.fromkeys(path for note in notes for path in note.paths if path))


def _segments(path: str) -> list[str]:
    return path.replace("[", ".[").split(".")


def _common(paths: list[str]) -> str:
    first = _segments(paths[0])
    for path in paths[1:]:
        other = _segments(path)
        length = next(
            (i for i, (a, b) in enumerate(zip(first, other, strict=False)) if a != b),
            min(len(first), len(other)),
        )
        first = first[:length]
    return ".".join(first).replace(".[", "[") or paths[0]


def told(read: Run | None, write: Run | None, side: str) -> list[Loss]:
    """All losses of a translation, each path and reason once, in the order they came up."""
    found: dict[tuple[str, str], Loss] = {}

    def add(run: Run, loss: TracedLoss, path: str) -> None:
        key = (path, loss.reason)
        found.setdefault(key, Loss(path, loss.reason, run.pos(loss.rule), loss.kind, side))

    if read is not None:
        for loss in read.trace.losses:
            add(read, loss, loss.path)
    if read is not None and write is not None:
        origins = Origins(read)
        for loss in write.trace.losses:
            if not loss.path:
                add(write, loss, "")
            for path in origins.of(loss.path) if loss.path else ():
                add(write, loss, path)
    return list(found.values())


def explained(read: Run, write: Run, at: str = "") -> list[dict[str, Any]]:
    """Every leaf of what was written: ``{out, in: [paths], rule, how}``.

    ``at``: the path, in what was read, of the document that was written from (an event in a list of events).
    """
    origins = Origins(read)
    notes = write.trace.outputs(write.result)
    rows: list[dict[str, Any]] = []
    for path in _leaves(write.result, ""):
        own = notes.get(path)
        if own is None:
            rows.append({"out": path, "in": origins.of(join(at, path)), "rule": "", "how": "copy"})
            continue
        sources = [
            source for inner in own for found in inner.paths for source in origins.of(join(at, found))
        ]
        words = {note.how for note in own}
        how = next((word for word in _HOW if word in words), "const")
        number = next((note.rule for note in reversed(own) if note.rule >= 0), -1)
        rows.append(
            {
                "out": path,
                "in": list(dict.fromkeys(sources)),
                "rule": write.pos(number),
                "how": how if sources or how in ("supply", "emulate") else "const",
            }
        )
    return rows


def join(base: str, path: str) -> str:
    """``path`` below ``base``."""
    return f"{base}.{path}" if base and path and not path.startswith("[") else base + path


def _leaves(value: Any, path: str) -> Iterable[str]:
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from _leaves(each, step(path, key))
    elif isinstance(value, list) and value:
        for position, each in enumerate(value):
            yield from _leaves(each, step(path, position))
    else:
        yield path
