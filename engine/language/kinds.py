"""What the values in documents are taken for in quick forms: lists and objects, as mappings ask.

A mapping looks at many values in one way only: as lists (``type(x) is list`` in the generated code)
or as objects. A quick form asks once, where the value is read, and ends where it is of another
kind.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Container, Iterator

from engine.language.statements import blocks, restated, target, walk

# A value that is asked about this often is asked about once, where it is read.
_OFTEN = 2


def suppose(function: ast.FunctionDef, variables: frozenset[str]) -> bool:
    """Test these variables where they are set, in place, if they are looked at in one way only;
    whether there are any."""
    told: dict[str, set[str]] = {}
    asked: Counter[tuple[str, str]] = Counter()
    inside = walk(function)
    beside = _beside(inside)
    for node in inside:
        if id(node) in beside:
            continue
        for name, kind in _told(node):
            told.setdefault(name, set()).add(kind)
        match node:
            case ast.Compare(ast.Call(ast.Name("type"), [ast.Name(name)]), _, [ast.Name(kind)]):
                asked[name, kind] += 1
    several = Counter(name for name, _ in asked)
    chosen = {
        name: kind
        for name in variables & told.keys()
        for kind in told[name] & {"list", "dict"}
        if len(told[name]) == several[name] == 1 and asked[name, kind] >= _OFTEN
    }

    def tested(node: ast.stmt) -> list[ast.stmt]:
        name = target(node)
        kind = chosen.get(name) if name is not None else None
        if kind is None:
            return [node]
        text = f"if type({name}) is not {kind} and {name} is not None: raise Unusual"
        (test,) = ast.parse(text).body
        for each in walk(test):
            if hasattr(each, "lineno"):
                ast.copy_location(each, node)
        return [node, test]

    if chosen:
        restated(function, tested)
    return bool(chosen)


def _told(node: ast.AST) -> Iterator[tuple[str, str]]:
    """The names that a node takes for lists or objects, and else for nothing. What looks for unread
    keys, and what is done in place for the most frequent kind, tells nothing of that."""
    match node:
        case ast.IfExp(
            ast.Compare(ast.Call(ast.Name("type"), [ast.Name(name)]), [ast.Is()], [ast.Name(kind)]),
            _,
            ast.Constant(None),
        ):
            yield name, kind
        case ast.Compare(
            ast.Call(ast.Name("type"), [ast.Name(name)]), [ast.IsNot()], [ast.Name(kind)]
        ):
            yield name, kind
        case ast.Call(ast.Name("isinstance"), [ast.Name(name), ast.Name(kind)]):
            yield name, kind
        case ast.Call(ast.Name("_row" | "_is_a"), [*_, ast.Name(name)]):
            yield name, "any"


def _beside(inside: list[ast.AST]) -> set[int]:
    """What asks for unread keys of a value that may also be none with keys: ``type(x) is dict and …
    or type(x) is list``."""
    found: set[int] = set()
    for node in inside:
        match node:
            case ast.BoolOp(
                ast.Or(),
                [first, ast.Compare(ast.Call(ast.Name("type"), [ast.Name(one)]), _, [_]) as last],
            ):
                asks = first.values[0] if isinstance(first, ast.BoolOp) else first
                match asks:
                    case ast.Compare(ast.Call(ast.Name("type"), [ast.Name(two)]), _, [_]) if (
                        one == two
                    ):
                        found |= {id(asks), id(last)}
    return found


def objects(module: ast.Module, roots: frozenset[str]) -> frozenset[tuple[str, str]]:
    """The keys of roots under which an object is looked for: ``ctx['x']`` by ``("ctx", "x")``."""
    found = set()
    for node in walk(module):
        match node:
            case ast.Compare(
                ast.Call(
                    ast.Name("type"),
                    [ast.NamedExpr(_, ast.Subscript(ast.Name(root), ast.Constant(str(key))))],
                ),
                [ast.Is()],
                [ast.Name("dict")],
            ) if root in roots:
                found.add((root, key))
    return frozenset(found)


def of_objects(function: ast.FunctionDef, usual: Container[str]) -> frozenset[str]:
    """The lists over which a loop goes whose elements are usual objects, and what is taken out of
    such lists by a test."""
    found = set()
    statements = [each for body in blocks(function) for each in body]
    for node in statements:
        match node:
            case ast.For(
                ast.Name(element) | ast.Tuple([_, ast.Name(element)]),
                ast.BoolOp(_, [ast.Name(name), _])
                | ast.Call(ast.Name("enumerate"), [ast.BoolOp(_, [ast.Name(name), _])]),
            ) if element in usual:
                found.add(name)
    for node in statements:
        match node:
            case ast.Assign(
                [ast.Name(name)],
                ast.IfExp(
                    _,
                    ast.ListComp(
                        ast.Name(one), [ast.comprehension(ast.Name(two), ast.Name(source))]
                    ),
                ),
            ) if one == two and source in found:
                found.add(name)
    return frozenset(found)
