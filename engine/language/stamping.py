"""The keys that ``stamp`` says of every event of a stream."""

from __future__ import annotations

from engine.language.compiler import Compiler
from engine.language.directives import DIRECTIVES
from engine.language.scope import Scope
from engine.language.source import Map, Node, Scalar, Seq

# Where the events stand in a directive that makes several, or one of several.
_EVENTS_IN = {
    "$each": ("$item", "$flat"),
    "$scan": ("$item", "$flat", "$last"),
    "$switch": ("$cases", "$else"),
    "$first": ("$first",),
    "$concat": ("$concat",),
}


class Stamp:
    """Puts them in where events are written, as far as it is known beforehand which keys these
    have; on what was emitted otherwise."""

    def __init__(self, node: Node | None, compiler: Compiler) -> None:
        self._node = node
        self._compiler = compiler

    def written(self, item: Node) -> Node | None:
        """The event with the keys of ``stamp`` that it does not have; None when that is known only
        later."""
        stamp = self._node
        if stamp is None:
            return item
        if not isinstance(stamp, Map):
            self._compiler.problem(stamp.pos, "stamp takes a map of keys for every event")
            return item
        if not isinstance(item, Map):
            return None
        chosen = next((str(key) for key in item.keys() if key in DIRECTIVES), None)
        if chosen is None:
            have = set(item.keys())
            own = tuple(pair for pair in stamp.entries if pair[0].value not in have)
            return Map(item.pos, item.entries + own)
        inside = _EVENTS_IN.get(chosen, ())
        entries: list[tuple[Scalar, Node]] = []
        for key, value in item.entries:
            found: Node | None = value
            if key.value in inside and key.value == "$cases" and isinstance(value, Map):
                found = self._each_stamped(value)
            elif key.value in inside and isinstance(value, Seq):
                items = [self.written(each) for each in value.items]
                found = Seq(value.pos, tuple(each for each in items if each is not None))
                found = found if len(found.items) == len(items) else None
            elif key.value in inside:
                found = self.written(value)
            if found is None:
                return None
            entries.append((key, found))
        return Map(item.pos, tuple(entries)) if inside else None

    def _each_stamped(self, cases: Map) -> Map | None:
        entries = [(key, self.written(case)) for key, case in cases.entries]
        known = tuple((key, case) for key, case in entries if case is not None)
        return Map(cases.pos, known) if len(known) == len(entries) else None

    def begin(self) -> str:
        """The name of the number of events emitted so far; empty when there is no ``stamp``."""
        if not isinstance(self._node, Map):
            return ""
        begin = self._compiler.expr.temp("b")
        self._compiler.out.add(f"{begin} = len(out)")
        return begin

    def put(self, begin: str, scope: Scope) -> None:
        """The keys on the events emitted since ``begin``, where they do not have them."""
        if begin and self._node is not None:
            val = self._compiler.node(self._node, scope)
            self._compiler.out.add(f"_stamp(out, {begin}, {val.text})")
