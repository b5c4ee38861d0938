"""Stream halves: rules over events, with state.

A half becomes one Python function a value of ``dispatch`` (its rules in the order of the file),
one for all other events, one for the end of the bytes. ``EventHalf.step`` runs one event and
returns what was emitted; the state is a plain dict per stream, made by ``EventHalf.start``.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from engine.errors import Defect
from engine.language.leftovers import unread
from engine.language.programs import Program
from engine.language.reads import Tree
from engine.language.results import Rule
from engine.language.runtime import EVALUATION_ERRORS, Refusal
from engine.language.sections import Served, told
from engine.language.sources import MADE, SOURCES, Table
from engine.language.trace import Trace

State = dict[str, Any]
Path = tuple[str | int, ...]

# The state's own entries, out of reach of mappings.
DONE, EMITTED, HELD, RULE = "$done", "$emitted", "$held", "$rule"
# The constants of a program that hold the start values of the state and its steady rules.
START, STEADY = "START", "STEADY"


class Looks(NamedTuple):
    """What a steady rule (:mod:`engine.language.steady`) looks at: paths whose own value decides
    something, paths with all below them, and all that are read at all."""

    itself: frozenset[Path]
    whole: frozenset[Path]
    read: frozenset[Path]

    def copies(self, path: Path) -> bool:
        """Whether a text at this path may be any other one."""
        return path not in self.itself and not any(path[: len(w)] == w for w in self.whole)

    def passes(self, path: Path) -> bool:
        """Whether nothing is known of what stands at this path."""
        return path not in self.read and self.copies(path)


# A loss: its path, its reason, its kind and the place of its rule.
Key = tuple[str, str, str, str]


@dataclass(slots=True)
class EventLosses:
    """Losses of a stream: each rule and static path once, with a count of events; ``told`` is what
    the event at hand lost."""

    rules: tuple[Rule, ...]
    # by the rule about an object that rules made where the values of its keys come from
    made: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    # the paths that a path is told by, when not by itself; it gets the kind of the loss, too
    places: Callable[[str, str], Iterable[str]] | None = None
    counts: dict[Key, int] = field(default_factory=dict)
    # with what each is counted as
    told: dict[Key, tuple[Key, ...]] = field(default_factory=dict)

    def append(self, number: int) -> None:
        """A ``$drop``, ``$clamp`` or ``$emulate`` happened."""
        rule = self.rules[number]
        if rule.kind == "dropped" and rule.path:
            # of what is lost as a whole nothing else is told
            for key in [each for each in self.told if _stands_in(each[0], rule.path)]:
                if key[2] == "unread":
                    for each in self.told.pop(key):
                        self.counts[each] -= 1
                        if not self.counts[each]:
                            del self.counts[each]
        self._count(rule.path, rule.reason, rule.kind, rule.place)

    def unread(
        self,
        number: int,
        value: Any,
        tree: Tree,
        which: Callable[[Any, Tree], list[tuple[str, ...]]] = unread,
    ) -> None:
        """An event held what no rule reads."""
        rule = self.rules[number]
        for keys in which(value, tree):
            path = rule.path
            known = self.made.get(number, {}).get(keys[0]) if keys else None
            if known is not None:
                path, keys = known, keys[1:]
            for key in keys:
                key = "[]" if key.startswith("[") else key
                path = path + key if key == "[]" else f"{path}.{key}" if path else key
            if not any(key[2] == "dropped" and _stands_in(path, key[0]) for key in self.told):
                self._count(path, rule.reason, "unread", rule.place)

    def _count(self, path: str, reason: str, kind: str, place: str) -> None:
        key = (path, reason, kind, place)
        if key not in self.told:
            paths = (path,) if self.places is None else self.places(path, kind)
            self.told[key] = tuple([(each, reason, kind, place) for each in paths])
            for each in self.told[key]:
                self.counts[each] = self.counts.get(each, 0) + 1


def _stands_in(path: str, other: str) -> bool:
    """Whether a path is that of something inside what is at the other."""
    return bool(other) and path.startswith((f"{other}.", f"{other}["))


class EventHalf(Served):
    """The read or write half of a stream."""

    @cached_property
    def _step(self) -> Callable[..., Any]:
        step: Callable[..., Any] = self.program.names["step"]
        return step

    @cached_property
    def _first(self) -> bytes:
        return marshal.dumps(self.program.names[START])

    def start(self) -> State:
        """The state of a new stream."""
        return {**marshal.loads(self._first), DONE: False, EMITTED: 0, HELD: {}, RULE: 0}

    def losses(self, traced: bool = False) -> EventLosses:
        """A collector for one stream; ``traced``: for :meth:`trace`."""
        program = self.traced if traced else self.program
        return EventLosses(program.rules, program.constants[MADE])

    def step(
        self, event: dict[str, Any], state: State, losses: EventLosses, *roots: Any
    ) -> list[dict[str, Any]]:
        """Run one event. Raises Refusal when a rule refuses it and Defect for a mistake of the
        mapping."""
        out: list[dict[str, Any]] = []
        if state[DONE]:
            return out
        if losses.told:
            losses.told.clear()
        try:
            state[RULE] = self._step(event, state, *roots, losses, out)
        except Refusal:
            raise
        except (*EVALUATION_ERRORS, TypeError, KeyError, AttributeError, ValueError) as error:
            raise self._told(self.program, error) from error
        state[EMITTED] += len(out)
        return out

    def looks(self, state: State) -> Looks | None:
        """What the rule of the last event looks at, if that rule is steady."""
        found = self.program.names[STEADY].get(state[RULE])
        return Looks(*found) if found else None

    def again(
        self, event: dict[str, Any], state: State, *roots: Any
    ) -> list[dict[str, Any]] | None:
        """What would be emitted for an event that goes the way of the last one, whose rule was
        steady; None where something would be lost or it goes another way. Nothing changes."""
        out: list[dict[str, Any]] = []
        losses = self.losses()
        number = self._step(event, state, *roots, losses, out)
        return out if number == state[RULE] and not losses.counts else None

    def repeated(self, state: State, times: int) -> None:
        """The last event, which one event was emitted for, came so many times again."""
        state[EMITTED] += times

    def finish(self, state: State, losses: EventLosses, *roots: Any) -> list[dict[str, Any]]:
        """Run the rules for the end of the bytes."""
        out: list[dict[str, Any]] = []
        if state[DONE]:
            return out
        losses.told.clear()
        try:
            self.program.names["end"](None, state, *roots, losses, out)
        except (*EVALUATION_ERRORS, TypeError, KeyError, AttributeError, ValueError) as error:
            raise self._told(self.program, error) from error
        state[EMITTED] += len(out)
        return out

    @property
    def sources(self) -> Table:
        """Where the fields of its events come from, as far as the mapping itself tells."""
        table: Table = self.program.constants[SOURCES]
        return table

    def trace(
        self, event: dict[str, Any] | None, state: State, losses: EventLosses, *roots: Any
    ) -> tuple[list[dict[str, Any]], Trace]:
        """As :meth:`step`, with records of where each field came from; without an event as
        :meth:`finish`."""
        out: list[dict[str, Any]] = []
        trace = Trace(event)
        if not state[DONE]:
            losses.told.clear()
            run = self.traced.names["end" if event is None else "step"]
            try:
                state[RULE] = run(event, state, *roots, losses, out, trace)
            except (*EVALUATION_ERRORS, TypeError, KeyError, AttributeError, ValueError) as error:
                raise self._told(self.traced, error) from error
            state[EMITTED] += len(out)
        return out, trace

    def _told(self, program: Program, error: Exception) -> Exception:
        place = program.place(error)
        if isinstance(error, EVALUATION_ERRORS):
            return Refusal(-1, f"cannot be read ({told(error)}) at {place}", 400, None)
        return Defect(f"{place or program.label}: {type(error).__name__}")
