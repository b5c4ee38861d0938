"""Variables of generated code that share a place: those that are never needed at one time.

Generated functions name each step, hundreds to thousands of them. Python makes room for all of them
in every call, clears it afterwards, and has to ask the system for memory where a call does not fit
into what is left of 16 KB; that alone is 14 µs. Text and positions stay as they are: only the names
that are compiled change.
"""

from __future__ import annotations

import ast
import heapq
from dataclasses import dataclass, field

from engine.language.statements import walk

_LOOPS = (ast.For, ast.While)
_BLOCKS = ("body", "handlers", "orelse", "finalbody")
# What is inside belongs to another function, or is read by one.
_INNER = (ast.Lambda, ast.FunctionDef, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def share(tree: ast.Module) -> ast.Module:
    """Give the functions of a program fewer variables, in place; no node may stand in two
    places."""
    for each in tree.body:
        if isinstance(each, ast.FunctionDef):
            _share(each)
    return tree


@dataclass(slots=True)
class _Span:
    """From the first statement that has a variable to the last; ``set``: the first one gives it a
    value before it asks for it."""

    name: str
    first: int
    last: int
    set: bool


@dataclass(slots=True)
class _Spans:
    """Where the variables of a function are needed, by the order of its statements."""

    own: frozenset[str]
    found: dict[str, _Span] = field(default_factory=dict)
    loops: list[tuple[int, int]] = field(default_factory=list)
    _place: int = 0

    def block(self, statements: list[ast.stmt]) -> None:
        """Statements in their order."""
        for statement in statements:
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        blocks = [getattr(node, word, []) for word in _BLOCKS]
        if isinstance(node, ast.For):
            self._note(node.iter)
            start = self._place + 1
            self._note(node.target)
        else:
            start = self._place + 1
            self._note(*_heads(node))
        for block in blocks:
            self.block([each for each in block if isinstance(each, ast.stmt)])
            for handler in block:
                if isinstance(handler, ast.ExceptHandler):
                    self.block(handler.body)
        if isinstance(node, _LOOPS):
            self.loops.append((start, self._place))

    def _note(self, *nodes: ast.AST) -> None:
        self._place += 1
        inside = [each for node in nodes for each in walk(node)]
        walruses = {
            each.target.id
            for each in inside
            if isinstance(each, ast.NamedExpr) and isinstance(each.target, ast.Name)
        }
        names = [each for each in inside if isinstance(each, ast.Name) and each.id in self.own]
        asked = {each.id for each in names if not isinstance(each.ctx, ast.Store)} - walruses
        for each in names:
            known = self.found.get(each.id)
            if known is None:
                given = each.id not in asked
                self.found[each.id] = _Span(each.id, self._place, self._place, given)
            else:
                known.last = self._place

    def widened(self) -> list[_Span]:
        """The spans, each over the whole of a loop that needs it from one turn to the next."""
        spans = list(self.found.values())
        # inner loops end before outer ones
        for start, end in self.loops:
            for span in spans:
                if span.last < start or span.first > end:
                    continue
                if span.first < start or span.last > end or not span.set:
                    span.first, span.last = min(span.first, start), max(span.last, end)
        return sorted(spans, key=lambda span: (span.first, span.last))


def _heads(node: ast.stmt) -> list[ast.AST]:
    """What a statement has beside its blocks."""
    found: list[ast.AST] = []
    for word, value in ast.iter_fields(node):
        if word in _BLOCKS:
            continue
        inner = value if isinstance(value, list) else [value]
        found += [each for each in inner if isinstance(each, ast.AST)]
    return found


def _share(function: ast.FunctionDef) -> None:
    inside = walk(function)
    given = {each.arg for each in function.args.args}
    lent = {
        name.id
        for each in inside
        if isinstance(each, _INNER) and each is not function
        for name in walk(each)
        if isinstance(name, ast.Name)
    }
    names = [each for each in inside if isinstance(each, ast.Name)]
    kept = {each.id for each in names if isinstance(each.ctx, ast.Store)}
    spans = _Spans(frozenset(kept - given - lent))
    spans.block(function.body)
    placed: dict[str, str] = {}
    # what holds a place until when; a name comes again in the order it was left in
    busy: list[tuple[int, str]] = []
    free: list[str] = []
    for span in spans.widened():
        while busy and busy[0][0] < span.first:
            free.append(heapq.heappop(busy)[1])
        name = placed[span.name] = free.pop() if free else span.name
        heapq.heappush(busy, (span.last, name))
    for each in names:
        each.id = placed.get(each.id, each.id)
