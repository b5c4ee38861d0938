"""What is known of each object a mapping looks into, and the checks for what nothing reads."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

from engine.language.reads import ELEMENT, SELF, Binding, Branch, Path, Tree
from engine.language.recorder import Recorder
from engine.language.results import UNREAD, UNTRUE, Library
from engine.language.scope import Name, Ref, Scope
from engine.language.source import Pos, Scalar

# To look for this many keys takes less time than to compare all of an object's.
_FEW = 4


class Observer(Recorder):
    """Makes bindings and writes the checks that run when an object is done with."""

    def __init__(self, library: Library, traced: bool = False, static: bool = False) -> None:
        super().__init__(library, traced, static)
        self.active: list[Binding] = []
        self.depth = 0
        # whether anybody asks what nothing reads
        self.checking = True
        self.loop = 0
        # the usual keys of objects, by their Python names; the words that objects were met for
        self.usual: dict[str, frozenset[str]] = {}
        self.met: set[str] = set()
        self._switches = itertools.count(1)
        self._loops: dict[int, int] = {}
        # switches that run whenever what stands at a depth, in a branch, does
        self._surely: dict[tuple[int, Branch], list[int]] = {}

    def switch(self) -> int:
        """The number of a new switch."""
        number = next(self._switches)
        self._loops[number] = self.loop
        return number

    def observe(
        self, var: str, label: str, scope: Scope, trace: str = "None", checked: bool = True
    ) -> Binding:
        """A new object under observation, made at this place."""
        outer = frozenset(switch for switch, _ in scope.branch)
        return Binding(
            var,
            label,
            word=label,
            trace=trace,
            checked=checked,
            depth=self.depth,
            outer=outer,
            loop=self.loop,
            loops=self._loops,
        )

    def named(self, binding: Binding) -> Name:
        """A name for an observed object, with a fast getter."""
        return Name(binding.var, Ref(binding), self.getter(binding.var, binding.word))

    def getter(self, var: str, word: str) -> str:
        """The name of a fast ``get`` for an object that the mapping calls ``word``."""
        getter = f"g_{var}"
        self.out.getter(getter, f"{getter} = {var}.get if type({var}) is dict else _nothing")
        if word in self.library.usual:
            self.usual[var] = self.library.usual[word][1]
            self.met.add(word)
        return getter

    def rarely(self, scope: Scope, free: tuple[str, ...]) -> None:
        """Note what is usual of the free names, and the code of formulas that are seldom true."""
        for word, (pos, keys) in self.library.usual.items():
            if word in free or word == UNTRUE:
                self.met.add(word)
            if self.traced:
                continue
            if word in free:
                self.usual[word] = keys
            elif word == UNTRUE:
                formulas = (self.expression(Scalar(pos, each), scope) for each in sorted(keys))
                self.usual[UNTRUE] = frozenset(code.text for code in formulas)

    @contextmanager
    def watching(self, binding: Binding, scope: Scope, pos: Pos) -> Iterator[None]:
        """The part of the code in which the object is known; ends with the check for what nothing
        reads."""
        self.active.append(binding)
        yield
        self.active.pop()

        self.out.late(lambda: self.at_end(binding, scope, pos))

    def at_end(self, binding: Binding, scope: Scope, pos: Pos) -> list[str]:
        """The check at the end of a binding, unless the cases of a switch do it."""
        inner = binding.switches - binding.outer
        done = inner & binding.covering - binding.relying
        return [] if done else self.check(binding, scope, pos)

    def check_case(self, switch: int, scope: Scope, pos: Pos, always: bool = False) -> None:
        """At the end of a case: check the objects whose keys this switch tells apart.

        A case that reads what all cases read relies on the check at the end of the object, unless
        it is ``always`` wanted.
        """
        inside = self._surely.get((self.depth, scope.branch), [])
        for binding in self.active:

            def lines(binding: Binding = binding) -> list[str]:
                if switch not in binding.switches:
                    return []
                if binding.switches.intersection(inside) - binding.relying:
                    # the cases of a switch in this one know more: they have said what is unread
                    return []
                if not always and binding.same(scope.branch):
                    binding.relying.add(switch)
                    return []
                return self.check(binding, scope, pos)

            self.out.late(lines)

    def covers(self, switch: int, scope: Scope) -> None:
        """Remember that a switch runs whenever the objects made at this depth exist, and whenever
        the case does that it stands in."""
        self._surely.setdefault((self.depth, scope.branch), []).append(switch)
        for binding in self.active:
            if binding.depth == self.depth:
                binding.covering.add(switch)

    def check(self, binding: Binding, scope: Scope, pos: Pos) -> list[str]:
        """Lines that record what nothing reads of an object, in this branch."""
        if not binding.checked or not self.checking:
            return []
        known = {number for number, _ in scope.branch}
        for code, number in self.expr.worlds.items():
            if number in binding.worlds() - known:
                return self._in_worlds(binding, scope, pos, code, number)
        return self._checked(binding, scope, pos)

    def _in_worlds(
        self, binding: Binding, scope: Scope, pos: Pos, code: str, number: int
    ) -> list[str]:
        """The check in the world that a condition tells apart, and the one in the other."""
        one, other = (scope.case(number, holds) for holds in (1, 0))
        if binding.tree(one.branch) == binding.tree(other.branch):
            return self.check(binding, other, pos)
        found: list[str] = []
        for head, each in ((f"if {code}:", one), ("else:", other)):
            lines = self.check(binding, each, pos) or ["pass"]
            found += [head, *(f"    {line}" for line in lines)]
        return found

    def _checked(self, binding: Binding, scope: Scope, pos: Pos) -> list[str]:
        rested = binding.rested(scope.branch)
        tree = binding.tree(scope.branch, inherited=rested is None)
        if tree is None or (tree.keys() <= {SELF} and not binding.readings):
            return []
        var = binding.var
        kept = self.expr.keep(tree, "tree")
        which = ""
        if rested is not None:
            which = ", _left"
            taken = binding.tree(rested, inherited=False)
            test = self._left(var, tree)
            if taken is not None and taken != tree:
                which = f", _besides({self.expr.keep(taken, 'tree')})"
                test = f"type({var}) is dict and ({self._unknown(var, tree)})"
            if test is None and (self.static or not self.traced):
                return []
        else:
            unknown = self._unknown(var, tree)
            test = f"type({var}) is dict and ({unknown})"
            if SELF not in tree:
                test = f"{var} is not None and (type({var}) is not dict or {unknown})"
        kept = _opened(kept, binding.looked(scope.branch))
        number = self.rule(pos, "unread", UNREAD, binding.label)
        if self.static and self.sources.named(binding):
            self.unread[number] = binding
        if self.traced and not self.static:
            told = f"T.unread({var}, {kept}, {binding.trace}, {number}, {UNREAD!r}{which})"
            return [told] if test is None else [f"if {test}:", f"    {told}"]
        if self.static or binding is self.document:
            return [f"if {test}:", f"    L.unread({number}, {var}, {kept}{which})"]
        return [
            f"if {test}:",
            f"    L.unread({number}, {var}, {kept}{which or ', _unread'}, {var})",
        ]

    def _left(self, var: str, tree: Tree) -> str | None:
        """Python code that is true when an object holds what a ``$rest`` of it cannot take."""
        lists = [key for key, below in tree.items() if below and _has_elements(below)]
        tests = [f"{key!r} in {var}" for key in lists]
        if SELF not in tree:
            tests.insert(0, f"type({var}) is not dict")
        elif lists:
            return f"type({var}) is dict and ({' or '.join(tests)})"
        return f"{var} is not None and ({' or '.join(tests)})" if tests else None

    def _unknown(self, var: str, tree: Tree) -> str:
        """Python code that is true when the object holds what ``tree`` does not know."""
        known = frozenset(tree) - {SELF}
        flat = frozenset(key for key in known if not tree[key])
        if flat == known:
            return f"not {self.expr.keep(known, 'keys')}.issuperset({var})"
        tests = [f"not {self.expr.keep(known, 'keys')}.issuperset({var})"]
        tests += [self._beyond(var, key, below) for key, below in tree.items() if below]
        if len(known) - len(flat) <= _FEW:
            return " or ".join(tests)
        # many objects hold flat keys only: one look is enough
        outside = f"not {self.expr.keep(flat, 'flat')}.issuperset({var})"
        return f"{outside} and ({' or '.join(tests)})"

    def _beyond(self, var: str, key: str, below: Tree) -> str:
        """The same of what the object holds under one key."""
        temp = self.expr.temp()
        held = f"({temp} := {var}.get({key!r}))"
        if below.get(ELEMENT):
            listed = f"{self._first(temp, below)} or {self._others(temp, below)}"
            return f"{held} is not None and ({listed})"
        if below.keys() == {SELF}:
            return f"{held} and (type({temp}) is dict or type({temp}) is list)"
        if below.keys() == {ELEMENT}:
            return f"{held} is not None and type({temp}) is not list"
        inner = self.expr.keep(frozenset(below) - {SELF}, "keys")
        tests = [f"not {inner}.issuperset({temp})"]
        tests += [self._beyond(temp, each, deeper) for each, deeper in below.items() if deeper]
        beyond = " or ".join(tests)
        if SELF in below:
            listed = "" if ELEMENT in below else f" or type({temp}) is list"
            return f"{held} and (type({temp}) is dict and ({beyond}){listed})"
        if ELEMENT in below:
            other = f"type({temp}) is not dict and type({temp}) is not list"
            return f"{held} is not None and ({other} or type({temp}) is dict and ({beyond}))"
        return f"{held} is not None and (type({temp}) is not dict or {beyond})"

    def _first(self, var: str, below: Tree) -> str:
        """The same of the first element of a list: many lists, above all in streams, have one."""
        inner, first = below[ELEMENT] or {}, self.expr.temp()
        unknown = self._unknown(first, inner)
        if SELF in inner:
            object = f"type({first} := {var}[0]) is dict"
            return f"type({var}) is list and {var} and {object} and ({unknown})"
        other = f"{first} is not None and (type({first}) is not dict or {unknown})"
        return f"type({var}) is list and {var} and (({first} := {var}[0]), {other})[1]"

    def _others(self, var: str, below: Tree) -> str:
        """The same of its other elements, and of what is no list."""
        kept = self.expr.keep(below, "tree")
        return f"(type({var}) is not list or len({var}) > 1) and _more({var}, {kept})"

    def rest_lines(self, name: Name, target: str, scope: Scope, pos: Pos) -> None:
        """``$rest``: what nothing reads of an object goes to ``native.<word>`` of ``target``."""
        assert name.ref is not None
        binding, path = name.ref.binding, name.ref.path
        if path:
            binding.taken.append((path, scope.branch))
        else:
            binding.rests.append(scope.branch)

        def lines() -> list[str]:
            if path:
                tree = binding.below(path, scope.branch)
            else:
                tree = binding.tree(scope.branch, inherited=False)
            if tree is None:
                return []
            var = name.code
            kept = _opened(self.expr.keep(tree, "tree"), binding.looked(scope.branch, path))
            temp = self.expr.temp("n")
            moved = ", T.moved" if self.traced else ""
            found = [
                f"if type({var}) is dict and ({self._unknown(var, tree)}):",
                f"    {temp} = _rest({var}, {kept})",
                f"    if {temp} is not None:",
                f"        _native({target}, {self.library.word!r}, {temp}{moved})",
            ]
            if self.traced:
                number = self.rule(pos, "note", "")
                native = f"{target}['native'][{self.library.word!r}]"
                where = self.path(name.ref)
                found.append(f"        T.taken({temp}, {where}, {number})")
                found.append(f"        T.taken({native}, {where}, {number})")
            return found

        self.out.late(lines)

    @contextmanager
    def looping(self, head: str) -> Iterator[None]:
        """A loop: its body runs any number of times for the objects made outside."""
        with self.nested(head):
            self.loop += 1
            yield
            self.loop -= 1

    @contextmanager
    def nested(self, head: str) -> Iterator[None]:
        """A conditional block."""
        with self.out.indented(head):
            self.depth += 1
            yield
            self.depth -= 1


def _opened(kept: str, looks: list[tuple[Path, str]]) -> str:
    """Python code of a tree with what is looked up by paths that are known only at run time."""
    if not looks:
        return kept
    return f"_opened({kept}, [{', '.join(f'({path!r}, {code})' for path, code in looks)}])"


def _has_elements(tree: Tree) -> bool:
    """Whether there is a list of whose elements only a part is known."""
    return bool(tree.get(ELEMENT)) or any(below and _has_elements(below) for below in tree.values())
