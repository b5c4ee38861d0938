"""Stream halves: rules over events, with state.

A half becomes one Python function a value of ``dispatch`` (its rules in the order of the file),
one for all other events, one for the end of the bytes. ``EventHalf.step`` runs one event and
returns what was emitted; the state is a plain dict per stream, made by ``EventHalf.start``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from engine.errors import Defect
from engine.language.leftovers import unread
from engine.language.reads import Tree
from engine.language.results import Library, Rule
from engine.language.rules import DONE, EMITTED, HELD, HalfCompiler
from engine.language.runtime import EVALUATION_ERRORS, Refusal
from engine.language.sections import Program, Roots, told
from engine.language.source import Map, Node, Pos, plain
from engine.language.trace import Trace

State = dict[str, Any]


@dataclass(slots=True)
class EventLosses:
    """Losses of a stream: each rule and static path once, with a count."""

    rules: tuple[Rule, ...]
    counts: dict[tuple[str, str, str, Pos], int] = field(default_factory=dict)
    _told: set[tuple[str, str, str, Pos]] = field(default_factory=set)

    def begin(self) -> None:
        """An event begins: what it loses is counted once."""
        if self._told:
            self._told.clear()

    def append(self, number: int) -> None:
        """A ``$drop``, ``$clamp`` or ``$emulate`` happened."""
        rule = self.rules[number]
        self._count(rule.path, rule.reason, rule.kind, rule.pos)

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
            for key in keys:
                key = "[]" if key.startswith("[") else key
                path = path + key if key == "[]" else f"{path}.{key}" if path else key
            self._count(path, rule.reason, "unread", rule.pos)

    def _count(self, path: str, reason: str, kind: str, pos: Pos) -> None:
        key = (path, reason, kind, pos)
        if key not in self._told:
            self._told.add(key)
            self.counts[key] = self.counts.get(key, 0) + 1


class EventHalf:
    """The read or write half of a stream."""

    def __init__(self, label: str, node: Node, library: Library, roots: Roots) -> None:
        self.label = label
        self.node = node
        self.roots = roots
        self._library = library
        self.program = self._compile(traced=False)
        self._step = self.program.functions["step"]
        start = _part(node, "state")
        self._start: State = plain(start) if start is not None else {}

    def start(self) -> State:
        """The state of a new stream."""
        return {**copy.deepcopy(self._start), DONE: False, EMITTED: 0, HELD: {}}

    def losses(self) -> EventLosses:
        """A collector for one stream."""
        return EventLosses(self.program.rules)

    def step(
        self, event: dict[str, Any], state: State, losses: EventLosses, *roots: Any
    ) -> list[dict[str, Any]]:
        """Run one event. Raises Refusal when a rule refuses it and Defect for a mistake of the
        mapping."""
        out: list[dict[str, Any]] = []
        if state[DONE]:
            return out
        losses.begin()
        try:
            self._step(event, state, *roots, losses, out)
        except Refusal:
            raise
        except (*EVALUATION_ERRORS, TypeError, KeyError, AttributeError, ValueError) as error:
            raise self._told(self.program, error) from error
        state[EMITTED] += len(out)
        return out

    def finish(self, state: State, losses: EventLosses, *roots: Any) -> list[dict[str, Any]]:
        """Run the rules for the end of the bytes."""
        out: list[dict[str, Any]] = []
        if state[DONE]:
            return out
        losses.begin()
        try:
            self.program.functions["end"](None, state, *roots, losses, out)
        except (*EVALUATION_ERRORS, TypeError, KeyError, AttributeError, ValueError) as error:
            raise self._told(self.program, error) from error
        state[EMITTED] += len(out)
        return out

    def trace(
        self, event: dict[str, Any], state: State, *roots: Any
    ) -> tuple[list[dict[str, Any]], Trace]:
        """As :meth:`step`, with records of where each field came from."""
        out: list[dict[str, Any]] = []
        trace = Trace(event)
        if not state[DONE]:
            losses = EventLosses(self.traced.rules)
            try:
                self.traced.functions["step"](event, state, *roots, losses, out, trace)
            except (*EVALUATION_ERRORS, TypeError, KeyError, AttributeError, ValueError) as error:
                raise self._told(self.traced, error) from error
            state[EMITTED] += len(out)
        return out, trace

    @cached_property
    def traced(self) -> Program:
        """The same half compiled with tracing."""
        return self._compile(traced=True)

    def _compile(self, traced: bool) -> Program:
        return HalfCompiler(self.label, self.node, self._library, self.roots, traced).program()

    def _told(self, program: Program, error: Exception) -> Exception:
        place = program.place(error)
        if isinstance(error, EVALUATION_ERRORS):
            return Refusal(-1, f"cannot be read ({told(error)}) at {place}", 400, None)
        return Defect(f"{place or program.label}: {type(error).__name__}")


def _part(node: Node, key: str) -> Node | None:
    return node.get(key) if isinstance(node, Map) else None
