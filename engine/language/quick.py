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
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from engine.language.folding import Folding, harmless
from engine.language.results import UNTRUE

_MADE = re.compile(r"\bt\d+\b")
# A getter that is bound once pays when it is called more often than this.
_FEW = 8

Usual = Mapping[str, frozenset[str]]


def quick_tree(source: str, names: Mapping[str, Any], usual: Usual) -> tuple[ast.Module, Usual]:
    """The folded program, and the constants that it names beside those of ``names``."""
    module = ast.parse(source)
    tested: dict[str, frozenset[str]] = {}
    untrue = [ast.parse(text, mode="eval").body for text in sorted(usual.get(UNTRUE, ()))]
    begin = next((f for f in _functions(module) if f.name == "main"), None)
    main = _own(begin, usual)
    for function in _functions(module):
        _denied(function, untrue)
        given = _given(function, usual)
        # what the main function has tested holds in what it calls
        own = {**main, **_own(function, usual)}
        here = {name: keys for name, keys in own.items() if _getter(function, name) is not None}
        _early(function)
        Folding(names, own).function(function)
        _hoist(function, here)
        Folding(names, own).function(function)
        _guard(function, here)
        tested |= {f"_usual_{name}": keys for name, keys in here.items()}
        _sweep(function)
        if function is begin:
            tested |= {f"_usual_{name}": keys for name, keys in given.items()}
            function.body[:0] = [*_refusing(untrue, function), *_guards(given, function)]
    return ast.fix_missing_locations(module), tested


def _functions(module: ast.Module) -> list[ast.FunctionDef]:
    return [each for each in module.body if isinstance(each, ast.FunctionDef)]


def _own(function: ast.FunctionDef | None, usual: Usual) -> dict[str, frozenset[str]]:
    """The objects that a function itself begins to look into, and those that it is given."""
    if function is None:
        return {}
    found = {name: keys for name, keys in usual.items() if _getter(function, name) is not None}
    return {**found, **_given(function, usual)}


def _given(function: ast.FunctionDef, usual: Usual) -> dict[str, frozenset[str]]:
    """Those of a function's parameters that it does not look into by a getter."""
    heads = [each.arg for each in function.args.args]
    return {name: usual[name] for name in heads if name in usual and not _getter(function, name)}


def _guards(given: Usual, function: ast.FunctionDef) -> list[ast.stmt]:
    """The tests of objects that the main function is given."""
    return [
        statement
        for name in given
        for statement in _placed(
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
        for statement in _placed(f"if {ast.unparse(test)}: raise Unusual", function)
    ]


def _placed(text: str, at: ast.stmt) -> list[ast.stmt]:
    """Statements that stand at the line of another."""
    made = ast.parse(text).body
    for each in made:
        for inner in ast.walk(each):
            if hasattr(inner, "lineno"):
                ast.copy_location(inner, at)
    return made


def _denied(function: ast.FunctionDef, untrue: list[ast.expr]) -> None:
    """Formulas that are taken for false are false."""
    shapes = {_shape(each) for each in untrue}

    def replace(node: ast.expr) -> ast.expr:
        if isinstance(node, ast.BoolOp | ast.Compare) and _shape(node) in shapes:
            return ast.copy_location(ast.Constant(False), node)
        return node

    if shapes:
        _replaced(function, replace)


def _shape(node: ast.expr) -> str:
    """An expression without the numbers of the names that are made inside it."""
    names: dict[str, str] = {}
    return _MADE.sub(lambda name: names.setdefault(name[0], f"t{len(names)}"), ast.unparse(node))


def _getter(function: ast.FunctionDef, name: str) -> ast.Assign | None:
    for each in ast.walk(function):
        if isinstance(each, ast.Assign) and _target(each) == f"g_{name}":
            return each
    return None


def _target(node: ast.stmt) -> str | None:
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return None


def _hoist(function: ast.FunctionDef, usual: Usual) -> None:
    """Keys that are read at several places are read once."""
    counts: Counter[tuple[str, str]] = Counter()
    for each in ast.walk(function):
        read = _reading(each)
        if read is not None and read[0] in usual:
            counts[read] += 1
    often = {read: f"k_{position}" for position, read in enumerate(counts) if counts[read] > 1}

    def replace(node: ast.expr) -> ast.expr:
        read = _reading(node)
        if read is None or read not in often:
            return node
        return ast.copy_location(ast.Name(often[read], ast.Load()), node)

    _replaced(function, replace)

    for body in list(_blocks(function)):
        for position in range(len(body) - 1, -1, -1):
            target = _target(body[position]) or ""
            if target[:2] != "g_":
                continue
            for (name, key), variable in often.items():
                if name == target[2:]:
                    _place(body, position + 1, variable, target, key)


def _place(body: list[ast.stmt], start: int, variable: str, getter: str, key: str) -> None:
    """Read a key where all that use it come after, as late as that can be."""
    users = [each for each in body[start:] if _uses(each, variable)]
    (first, *others) = users
    if not others and isinstance(first, ast.If) and not _uses(first.test, variable):
        there = any(_uses(each, variable) for each in first.body)
        if there is not any(_uses(each, variable) for each in first.orelse):
            _place(first.body if there else first.orelse, 0, variable, getter, key)
            return
    call = ast.Call(ast.Name(getter, ast.Load()), [ast.Constant(key)], [])
    read = ast.Assign([ast.Name(variable, ast.Store())], call)
    body.insert(body.index(first), ast.copy_location(read, first))


def _uses(node: ast.AST, variable: str) -> bool:
    return any(isinstance(each, ast.Name) and each.id == variable for each in ast.walk(node))


def _blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """All blocks of statements inside, however deep."""
    for body in _bodies(node):
        yield body
        for statement in body:
            yield from _blocks(statement)


def _early(function: ast.FunctionDef) -> None:
    """An element that is passed over need not be looked into first."""
    for body in _blocks(function):
        for position in range(len(body) - 1):
            name = (_target(body[position]) or "")[2:]
            test = body[position + 1]
            if (
                (_target(body[position]) or "")[:2] == "g_"
                and isinstance(test, ast.If)
                and isinstance(test.body[0], ast.Continue)
                and not _uses(test.test, name)
                and not _uses(test.test, f"g_{name}")
            ):
                body[position : position + 2] = [test, body[position]]


def _guard(function: ast.FunctionDef, usual: Usual) -> None:
    """Each getter of a usual object becomes the test, and stays where it is called often."""
    calls: Counter[str] = Counter()
    for each in ast.walk(function):
        read = _reading(each)
        if read is not None:
            calls[read[0]] += 1

    def keeps(name: str) -> bool:
        """Whether the getter stays: of a name that was given, which may be of nothing, and of a
        whole document that is asked often. Elements are asked for few of the keys in the code."""
        return name[:2] == "v_" or (name[:2] not in ("x_", "a_") and calls[name] > _FEW)

    def replace(node: ast.expr) -> ast.expr:
        read = _reading(node)
        if read is None or read[0] not in usual or keeps(read[0]):
            return node
        assert isinstance(node, ast.Call)
        node.func = ast.Attribute(ast.Name(read[0], ast.Load()), "get", ast.Load())
        return node

    _replaced(function, replace)

    def tested(node: ast.stmt) -> list[ast.stmt]:
        name = (_target(node) or "")[2:]
        if (_target(node) or "")[:2] != "g_" or name not in usual:
            return [node]
        test = f"type({name}) is not dict or not _usual_{name}.issuperset({name})"
        if name[:2] == "v_":
            test = f"{name} is not None and ({test})"
        text = f"if {test}: raise Unusual\n"
        if keeps(name) and name[:2] != "v_":
            text += f"g_{name} = {name}.get\n"
        made = _placed(text, node)
        return [*made, node] if name[:2] == "v_" else made

    _restated(function, tested)


def _sweep(function: ast.FunctionDef) -> None:
    """Take out what nobody reads, and put keys that are always set into the display."""
    while True:
        read = {
            each.id
            for each in ast.walk(function)
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)
        }
        taken = 0

        def bare(node: ast.expr, read: set[str] = read) -> ast.expr:
            if isinstance(node, ast.NamedExpr) and node.target.id not in read:
                return node.value
            return node

        def kept(node: ast.stmt, read: set[str] = read) -> list[ast.stmt]:
            nonlocal taken
            name = _target(node)
            if name is None or name in read:
                return [node]
            assert isinstance(node, ast.Assign)
            taken += 1
            if harmless(node.value):
                return []
            return [ast.copy_location(ast.Expr(node.value), node)]

        _replaced(function, bare)
        _restated(function, kept)
        if not taken:
            break
    _displayed(function)


def _displayed(node: ast.AST) -> None:
    for body in _bodies(node):
        for statement in body:
            _displayed(statement)
        position = 0
        while position + 1 < len(body):
            if _merged(body[position], body[position + 1]):
                del body[position + 1]
            else:
                position += 1


def _merged(one: ast.stmt, other: ast.stmt) -> bool:
    """``d = {…}`` and ``d['k'] = v`` right after it as one display."""
    name = _target(one)
    if name is None or not isinstance(one, ast.Assign) or not isinstance(one.value, ast.Dict):
        return False
    if not isinstance(other, ast.Assign) or not isinstance(other.targets[0], ast.Subscript):
        return False
    place = other.targets[0]
    if not isinstance(place.value, ast.Name) or place.value.id != name:
        return False
    if any(isinstance(each, ast.Name) and each.id == name for each in ast.walk(other.value)):
        return False
    one.value.keys.append(place.slice)
    one.value.values.append(other.value)
    return True


def _reading(node: ast.AST) -> tuple[str, str] | None:
    """The object and the key of ``g_x('key')``."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
        name, key = node.func.id, node.args[0]
        if name[:2] == "g_" and isinstance(key, ast.Constant) and isinstance(key.value, str):
            return name[2:], key.value
    return None


def _bodies(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for word in ("body", "orelse"):
        body = getattr(node, word, None)
        if isinstance(body, list):
            yield body


def _restated(node: ast.AST, change: Callable[[ast.stmt], list[ast.stmt]]) -> None:
    """Each statement inside, however deep, becomes those that ``change`` gives."""
    for body in _bodies(node):
        found = []
        for statement in body:
            _restated(statement, change)
            found += change(statement)
        if not found and body and not isinstance(node, ast.Module):
            found = [ast.copy_location(ast.Pass(), body[0])]
        body[:] = found


def _replaced(node: ast.AST, change: Callable[[ast.expr], ast.expr]) -> None:
    """Each expression inside, however deep, becomes what ``change`` gives."""
    for field, value in ast.iter_fields(node):
        if isinstance(value, ast.expr):
            _replaced(value, change)
            setattr(node, field, change(value))
        elif isinstance(value, list):
            for position, each in enumerate(value):
                if isinstance(each, ast.AST):
                    _replaced(each, change)
                if isinstance(each, ast.expr):
                    value[position] = change(each)
        elif isinstance(value, ast.AST):
            _replaced(value, change)
