"""What a traced run of a mapping records: where each value came from, and every loss with its path.

A path is that of the document the run reads (``messages[2].content``). Containers are told apart
by identity, so an element keeps its path through filters, functions and merged lists. The traced
code is the same mapping compiled once more; nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

from engine.language.leftovers import unread
from engine.language.places import containers, places, step
from engine.language.reads import ELEMENT, Tree


class Note(NamedTuple):
    """One reading that made a value: the rule's number, how (copy, map, supply …), the paths read.

    ``when``: it made nothing, but without it there would be no value. A tuple, as a run makes
    thousands.
    """

    rule: int
    how: str
    paths: tuple[str, ...]


# Making one by its name goes through a function of Python.
_made_note: Callable[[type[Note], tuple[Any, ...]], Note] = tuple.__new__


@dataclass(frozen=True, slots=True)
class TracedLoss:
    """One loss in terms of the document that was read."""

    path: str
    reason: str
    rule: int
    kind: str


class Lost(Protocol):
    """A loss: where, and how."""

    @property
    def path(self) -> str: ...

    @property
    def kind(self) -> str: ...


_L = TypeVar("_L", bound=Lost)


def untold(losses: Collection[_L]) -> list[_L]:
    """All but what nothing reads of something of which a rule tells that it is lost."""
    told = {loss.path for loss in losses if loss.kind != "unread"}
    gone = {loss.path for loss in losses if loss.kind == "dropped" and loss.path}
    return [
        loss
        for loss in losses
        if loss.kind != "unread"
        or (loss.path not in told and gone.isdisjoint(containers(loss.path)))
    ]


# The path of a value, or the paths of what may have made one that the state kept.
Where = str | tuple[str, ...] | None


def _present(paths: tuple[Where, ...]) -> tuple[str, ...]:
    found: list[str] = []
    for path in paths:
        if type(path) is tuple:
            found += path
        elif path is not None:
            found.append(path)  # type: ignore[arg-type]
    return tuple(found)


def _first(path: Where) -> str | None:
    if type(path) is tuple:
        return Made(path[0]) if path else None
    return path  # type: ignore[return-value]


class Made(str):
    """The path of something a value was made from: what is inside that value has no path of its
    own."""

    __slots__ = ()


@dataclass(slots=True)
class Trace:
    """Records of one traced run."""

    document: Any
    losses: list[TracedLoss] = field(default_factory=list)
    _paths: dict[int, str] = field(default_factory=dict)
    _kept: list[Any] = field(default_factory=list)
    _notes: list[Note] = field(default_factory=list)
    _records: dict[tuple[int, str | int], tuple[Note, ...]] = field(default_factory=dict)
    # by variable of a stream's state, what this event made it of
    _kept_in: dict[str, list[Note]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._paths = places(self.document)

    # ------------------------------------------------------------ called by generated code

    def p(self, base: Where, keys: tuple[str, ...]) -> str | None:
        """The path of ``keys`` below ``base``; None when the base has none."""
        base = _first(base)
        if base is None or isinstance(base, Made):
            return base
        for key in keys:
            if key == ELEMENT:
                return Made(base)  # whichever elements they are: the list stands for them
            base = step(base, key)
        return base

    def value(self, value: Any, path: Where) -> str | None:
        """The path of a bound value: its own when it stands in the document, else the one it was
        made from."""
        path = _first(path)
        if isinstance(value, dict | list):
            own = self._paths.get(id(value))
            if own is not None:
                return own
            if path is not None:
                path = Made(path)
                self._paths[id(value)] = path
                self._kept.append(value)
        return path

    def element(self, value: Any, source: Any, path: Where, position: int) -> str | None:
        """The path of an element of a list."""
        path = _first(path)
        if isinstance(value, dict | list):
            own = self._paths.get(id(value))
            if own is not None:
                return own
        if isinstance(source, list) and path is not None and not isinstance(path, Made):
            if self._paths.get(id(source)) == path:
                return self.value(value, f"{path}[{position}]")
        return self.value(value, path)

    def keep(self, name: str, mark: int) -> None:
        """What was noted since ``mark`` made this variable of the state."""
        notes = [note for note in self._notes[mark:] if note.how != "when" and note.paths]
        del self._notes[mark:]
        self._kept_in[name] = notes

    def state(self, path: str, earlier: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
        """Where a variable comes from: what this event says of it, else what ``earlier`` ones may
        have said."""
        name, _, below = path.partition(".")
        notes = self._kept_in.get(name)
        if notes:
            if below and len(notes) == 1 and notes[0].how == "copy":
                return tuple([f"{each}.{below}" if each else below for each in notes[0].paths])
            if not below:
                return tuple(dict.fromkeys(each for note in notes for each in note.paths))
        return earlier.get(path, ())

    def known(self, path: str | None, number: str, made: Mapping[str, tuple[str, ...]]) -> Where:
        """Where something in an object comes from that rules made: the path found in this run, else
        what the mapping tells."""
        if path is not None and not isinstance(path, Made):
            return path
        return made.get(number) or path

    def mark(self) -> int:
        """The place from which :meth:`at` takes notes."""
        return len(self._notes)

    def note(self, rule: int, how: str, *paths: Where) -> None:
        """A value was made."""
        for path in paths:
            if path is None or type(path) is tuple:
                paths = _present(paths)
                break
        self._notes.append(_made_note(Note, (rule, how, paths)))

    def when(self, *paths: Where) -> None:
        """What follows is made on this condition."""
        read = _present(paths)
        if read:
            self._notes.append(Note(-1, "when", read))

    def first(self, mark: int) -> str | None:
        """The first path read since ``mark``, for a name of what was made; its notes end here."""
        notes = self._notes[mark:]
        del self._notes[mark:]
        return next((path for note in notes if note.how != "when" for path in note.paths), None)

    def forget(self, mark: int) -> None:
        """What was noted since ``mark`` came to nothing."""
        del self._notes[mark:]

    def vain(self, mark: int) -> None:
        """What was read since ``mark`` made nothing; it stays what the next attempt depends on."""
        self._notes[mark:] = [note for note in self._notes[mark:] if note.how == "when"]

    def at(self, container: Any, key: str | int, mark: int, rule: int) -> None:
        """The notes since ``mark`` made this key of a result; without any, ``rule`` wrote it by
        itself."""
        notes = self._notes[mark:]
        for note in notes:
            if note.how != "when":
                break
        else:
            notes.append(Note(rule, "const", ()))
        self._records[id(container), key] = tuple(notes)
        self._kept.append(container)
        del self._notes[mark:]

    def taken(self, native: dict[str, Any], path: Where, rule: int) -> None:
        """What ``$rest`` took of the object at ``path``."""
        path = _first(path)
        self._kept.append(native)
        for key, value in native.items():
            below = step(path or "", key)
            if isinstance(value, dict) and id(value) not in self._paths:
                # only some of that object was taken
                self.taken(value, below, rule)
            else:
                self._records[id(native), key] = (Note(rule, "copy", (below,)),)

    def spread(self, target: dict[str, Any], native: Any, path: Where, rule: int) -> None:
        """What ``$spread`` merges back."""
        path = _first(path)
        if not isinstance(native, dict):
            return
        self._kept.append(target)
        for key in native:
            if key not in target:
                note = Note(rule, "copy", (step(path, key),) if path is not None else ())
                self._records[id(target), key] = (note,)

    def moved(self, before: Any, after: Any, joined: tuple[str, ...] = ()) -> None:
        """A result object was copied: its records stay with the copy. What it says under the keys
        ``joined`` was added to what the copy said there."""
        if isinstance(before, dict) and isinstance(after, dict) and before is not after:
            self._kept.append(after)
            for key in before:
                known = self._records.get((id(before), key))
                if known is None:
                    continue
                there = self._records.setdefault((id(after), key), known)
                if key in joined and there is not known:
                    self._records[id(after), key] = there + known

    def placed(self, before: list[Any], after: list[Any]) -> None:
        """A list of a result was made anew with the same elements in other places."""
        self._kept += [before, after]
        places = {id(each): at for at, each in enumerate(before)}
        for there, each in enumerate(after):
            known = self._records.get((id(before), places.get(id(each), -1)))
            if known is not None:
                self._records[id(after), there] = known

    def came(self, value: Any, key: str) -> str | None:
        """Where one key of a result object came from."""
        notes = self._records.get((id(value), key), ())
        return next((path for note in notes if note.how != "when" for path in note.paths), None)

    def loss(self, rule: int, kind: str, reason: str, *paths: Where) -> None:
        """Something was left out, changed or made another way."""
        found = _present(paths) or ("",)
        self.losses.extend(TracedLoss(path, reason, rule, kind) for path in found)

    def unread(
        self,
        value: Any,
        tree: Tree,
        path: str | None,
        rule: int,
        reason: str,
        which: Callable[[Any, Tree], list[tuple[str, ...]]] = unread,
    ) -> None:
        """Whatever of a value ``tree`` does not know is a loss."""
        for keys in which(value, tree):
            self.losses.append(TracedLoss(self.p(path or "", keys) or "", reason, rule, "unread"))

    def settle(self) -> None:
        """The run is over: what was told more than once is told once."""
        self.losses = untold(self.losses)

    # ------------------------------------------------------------ asked afterwards

    def outputs(
        self, result: Any, conditions: bool = False, at: str = "", deep: bool = True
    ) -> dict[str, tuple[Note, ...]]:
        """The notes of every path of a result, which stands ``at`` a path, containers included; on
        demand the conditions, too. ``deep``: also of what is in objects of the document itself."""
        found: dict[str, tuple[Note, ...]] = {}
        stack: list[tuple[str, Any]] = [(at, result)]
        while stack:
            path, value = stack.pop()
            keys: Iterable[tuple[str | int, Any]]
            if isinstance(value, dict):
                keys = value.items()
            elif isinstance(value, list):
                keys = enumerate(value)
            else:
                continue
            for key, each in keys:
                below = step(path, key)
                notes = self.output(value, key, each, conditions)
                if notes is not None:
                    found[below] = notes
                if type(each) is dict or type(each) is list:
                    if deep or type(self._paths.get(id(each))) is not str:
                        stack.append((below, each))
        return found

    def output(
        self, container: Any, key: str | int, value: Any, conditions: bool = False
    ) -> tuple[Note, ...] | None:
        """The notes of one key of a result, which holds this value; None when nothing is known."""
        notes = self._records.get((id(container), key))
        if notes is not None:
            if conditions or all(note.how != "when" for note in notes):
                return notes
            return tuple(note for note in notes if note.how != "when")
        own = self._paths.get(id(value)) if isinstance(value, dict | list) else None
        return None if own is None else (Note(-1, "copy", (own,)),)

    def origin(self, value: Any) -> str | None:
        """Where a container of the document stood."""
        return self._paths.get(id(value))
