"""The quick form of a program: folded for documents that hold only what most documents hold.

A mapping file says under ``usual`` which keys most objects have at most. Where a program begins to
look into such an object, its quick form tests that once, and takes all other keys for absent from
there on: what depends on them is folded away. An object with another key ends the quick form
(``Unusual``), and the caller runs the general one from the beginning, so both give the same.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Container, Mapping
from typing import Any

from engine.language.elements import test_early
from engine.language.folding import fold
from engine.language.given import Calls, Given, joined_calls
from engine.language.grounds import Grounds
from engine.language.hoisting import hoist, reading, same_object
from engine.language.invariants import hoist_invariants
from engine.language.kinds import objects, of_objects, suppose
from engine.language.picking import pick
from engine.language.results import UNTRUE
from engine.language.statements import (
    blocks,
    copied,
    placed,
    replaced,
    restated,
    target,
    uses,
    walk,
)
from engine.language.tidying import flatten, sweep
from engine.language.unboxing import unbox
from engine.language.unfilled import empty_out

_MADE = re.compile(r"t\d+")
# A getter that is bound once pays when it is called more often than this.
_FEW = 8

Usual = Mapping[str, frozenset[str]]


def quick_tree(source: str, names: Mapping[str, Any], usual: Usual) -> tuple[ast.Module, Usual]:
    """The folded program, and the constants that it names beside those of ``names``."""
    module = ast.parse(source)
    quick = _Quick(names, usual, module)
    quick.fold()
    return ast.fix_missing_locations(module), quick.tested


class _Quick:
    """A program on its way to its quick form."""

    def __init__(self, names: Mapping[str, Any], usual: Usual, module: ast.Module) -> None:
        self.tested: dict[str, frozenset[str]] = {}
        self._names = names
        self._usual = usual
        self._functions = _functions(module)
        self._begin = next((f for f in self._functions if f.name == "main"), None)
        self._untrue = [ast.parse(text, mode="eval").body for text in sorted(usual.get(UNTRUE, ()))]
        self._main = _own(self._begin, usual)
        heads = self._begin.args.args if self._begin is not None else []
        self._held = objects(module, frozenset(each.arg for each in heads))

    def fold(self) -> None:
        """Fold all functions in place: the main one first, as it tells what others are given."""
        calls: Calls = {}
        if self._begin is not None:
            before = _given(self._begin, self._usual)
            self._function(self._begin, {}, calls)
            self.tested |= {f"_usual_{name}": keys for name, keys in before.items()}
            self._begin.body[:0] = [
                *_refusing(self._untrue, self._begin),
                *_holding(self._held, self._begin),
                *_guards(before, self._begin),
            ]
        # what is known of arguments wherever a function is called, as long as each round keeps it
        known = _joined(calls)
        while True:
            found = {name: list(several) for name, several in calls.items()}
            folded = {f.name: copied(f) for f in self._functions if f.name in known}
            for name, function in folded.items():
                heads = [head.arg for head in function.args.args]
                self._function(function, dict(zip(heads, known[name], strict=True)), found)
            for name, given in known.items():
                found[name].append(given)
            if _joined(found) == known:
                break
            known = _joined(found)
        for function in self._functions:
            if function.name in folded:
                function.body = folded[function.name].body
        self._ask(known)

    def _ask(self, given: dict[str, list[Given]]) -> None:
        """Where a function is called with an object that nobody looked at, and others did: ask."""
        heads = {each.name: [head.arg for head in each.args.args] for each in self._functions}

        def asked(node: ast.stmt) -> list[ast.stmt]:
            if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
                return [node]
            name = node.value.func.id if isinstance(node.value.func, ast.Name) else ""
            tests: list[ast.stmt] = []
            for argument, head, (_, keys) in zip(
                node.value.args, heads.get(name, ()), given.get(name, ()), strict=False
            ):
                if keys and isinstance(argument, ast.Name) and argument.id not in self._usual:
                    test = f"type({argument.id}) is not dict"
                    test += f" or not _usual_{head}.issuperset({argument.id})"
                    tests += placed(f"if {test}: raise Unusual", node)
            return [*tests, node]

        for function in self._functions:
            restated(function, asked)

    def _function(
        self,
        function: ast.FunctionDef,
        given: dict[str, Given],
        found: Calls,
    ) -> None:
        """Fold a function of which these arguments are known; what it gives to others is added to
        ``found``."""
        _denied(function, self._untrue)
        # what the main function has tested holds in what it calls
        own = {**self._main, **_own(function, self._usual)}
        looked_into = _looked_into(function)
        here = {name: keys for name, keys in own.items() if name in looked_into}
        env = {name: fact for name, (fact, _) in given.items()}

        def folded() -> Calls:
            lists = of_objects(function, here)
            return fold(function, dict(env), Grounds(self._names, own, self._held, lists))

        _early(function)
        unbox(function)
        folded()
        read = hoist(function, here)
        for name, key in same_object(function, here, read):
            own[key] = self.tested[f"_usual_{name}"] = here.pop(name)
        calls = folded()
        if suppose(function, read):
            calls = folded()
        while empty_out(function):
            calls = folded()
        picked = pick(function, here)
        tested = test_early(function, here, self._names)
        if picked is not None or tested:
            calls = folded()
            while empty_out(function):
                calls = folded()
        for name, several in calls.items():
            found.setdefault(name, []).extend(several)
        hoist_invariants(function)
        proven = {name for name, (_, keys) in given.items() if keys and keys <= own.get(name, keys)}
        _guard(function, here, proven | tested | (picked or frozenset()))
        self.tested |= {f"_usual_{name}": keys for name, keys in here.items()}
        sweep(function)
        flatten(function)


def _joined(calls: Calls) -> dict[str, list[Given]]:
    return {name: joined_calls(several) for name, several in calls.items()}


def _functions(module: ast.Module) -> list[ast.FunctionDef]:
    return [each for each in module.body if isinstance(each, ast.FunctionDef)]


def _own(function: ast.FunctionDef | None, usual: Usual) -> dict[str, frozenset[str]]:
    """The objects that a function itself begins to look into, and those that it is given."""
    if function is None:
        return {}
    looked_into = _looked_into(function)
    found = {name: keys for name, keys in usual.items() if name in looked_into}
    return {**found, **_given(function, usual)}


def _given(function: ast.FunctionDef, usual: Usual) -> dict[str, frozenset[str]]:
    """Those of a function's parameters that it does not look into by a getter."""
    heads = [each.arg for each in function.args.args]
    looked_into = _looked_into(function)
    return {name: usual[name] for name in heads if name in usual and name not in looked_into}


def _guards(given: Usual, function: ast.FunctionDef) -> list[ast.stmt]:
    """The tests of objects that the main function is given."""
    return [
        statement
        for name in given
        for statement in placed(
            f"if {name} is not None and (type({name}) is not dict"
            f" or not _usual_{name}.issuperset({name})): raise Unusual",
            function,
        )
    ]


def _refusing(untrue: list[ast.expr], function: ast.FunctionDef) -> list[ast.stmt]:
    """The tests of formulas that are taken for false."""
    return [
        statement
        for test in untrue
        for statement in placed(f"if {ast.unparse(test)}: raise Unusual", function)
    ]


def _holding(held: frozenset[tuple[str, str]], function: ast.FunctionDef) -> list[ast.stmt]:
    """The tests of what is known to hold an object."""
    return [
        statement
        for root, key in sorted(held)
        for statement in placed(f"if type({root}[{key!r}]) is not dict: raise Unusual", function)
    ]


def _denied(function: ast.FunctionDef, untrue: list[ast.expr]) -> None:
    """Formulas that are taken for false are false."""

    def replace(node: ast.expr) -> ast.expr:
        false = any(_alike(node, each, {}, {}) for each in untrue)
        return ast.copy_location(ast.Constant(False), node) if false else node

    if untrue:
        replaced(function, {ast.BoolOp, ast.Compare}, replace)


def _alike(one: Any, other: Any, names: dict[str, str], back: dict[str, str]) -> bool:
    """Whether two expressions differ in nothing but in the numbers of the names that are made
    inside them. ``names`` and ``back``: which of them is which, both ways."""
    if one.__class__ is not other.__class__:
        return False
    if isinstance(one, list):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(_alike(*each, names, back) for each in pairs)
    if isinstance(one, ast.Name) and _MADE.fullmatch(one.id) and _MADE.fullmatch(other.id):
        known = names.setdefault(one.id, other.id), back.setdefault(other.id, one.id)
        return known == (other.id, one.id)
    if isinstance(one, ast.AST):
        fields = one._fields
        return all(_alike(getattr(one, f), getattr(other, f), names, back) for f in fields)
    return bool(one == other)


def _looked_into(function: ast.FunctionDef) -> frozenset[str]:
    """The objects whose getter is bound to a name."""
    targets = [target(each) or "" for body in blocks(function) for each in body]
    return frozenset(each[2:] for each in targets if each[:2] == "g_")


def _early(function: ast.FunctionDef) -> None:
    """An element that is passed over need not be looked into first."""
    for body in blocks(function):
        for position in range(len(body) - 1):
            name = (target(body[position]) or "")[2:]
            test = body[position + 1]
            if (
                (target(body[position]) or "")[:2] == "g_"
                and isinstance(test, ast.If)
                and isinstance(test.body[0], ast.Continue)
                and not uses(test.test, name)
                and not uses(test.test, f"g_{name}")
            ):
                body[position : position + 2] = [test, body[position]]


def _guard(function: ast.FunctionDef, usual: Usual, proven: Container[str]) -> None:
    """Each getter of a usual object becomes the test, and stays where it is called often. Of those
    that are ``proven``, whoever calls has asked."""
    calls: Counter[str] = Counter()
    for each in walk(function):
        read = reading(each)
        if read is not None:
            calls[read[0]] += 1

    def keeps(name: str) -> bool:
        """Whether the getter stays: of a name that was given, which may be of nothing, and of a
        whole document that is asked often. Elements are asked for few of the keys in the code."""
        return name[:2] == "v_" or (name[:2] not in ("x_", "a_") and calls[name] > _FEW)

    def replace(node: ast.expr) -> ast.expr:
        read = reading(node)
        if read is None or read[0] not in usual or keeps(read[0]):
            return node
        assert isinstance(node, ast.Call)
        node.func = ast.Attribute(ast.Name(read[0], ast.Load()), "get", ast.Load())
        return node

    replaced(function, {ast.Call}, replace)
    looked = {name for name in usual if not keeps(name) and _read_next(function, name)}

    def tested(node: ast.stmt) -> list[ast.stmt]:
        name = (target(node) or "")[2:]
        if (target(node) or "")[:2] != "g_" or name not in usual:
            return [node]
        test = f"not _usual_{name}.issuperset({name})"
        if name in proven:
            return []
        got = keeps(name) and name[:2] != "v_"
        if not got and name not in looked:
            test = f"type({name}) is not dict or {test}"
        if name[:2] == "v_":
            test = f"{name} is not None and ({test})"
        text = f"if {test}: raise Unusual\n"
        if got:
            text += f"g_{name} = {name}.get\n"
        made = placed(text, node)
        return [*made, node] if name[:2] == "v_" else made

    restated(function, tested)


def _read_next(function: ast.FunctionDef, name: str) -> bool:
    """Whether a key of an object is read before all else that is done with it, which ends the quick
    form where it is none: it need not be asked what it is."""
    for body in blocks(function):
        for position, statement in enumerate(body):
            if target(statement) != f"g_{name}":
                continue
            after = next((each for each in body[position + 1 :] if uses(each, name)), None)
            match after:
                case ast.Assign(_, ast.Call(ast.Attribute(ast.Name(read), "get"), [_])):
                    return read == name
            return False
    return False
