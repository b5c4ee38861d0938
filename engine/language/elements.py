"""What is known of the elements of a list in a quick form, put in where it is asked for.

Of a list whose elements were tested all keys are known that they may have, and of one that was
picked by a key what that key holds.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from engine.language.nodes import is_copy
from engine.language.reads import ELEMENT
from engine.language.statements import blocks, placed, replaced, restated, target, walk
from engine.language.statements import names as names_of

# A list by its name, an element of it, and the loop over it.
Loop = tuple[str, str, ast.For]


def loops(function: ast.FunctionDef) -> Iterator[Loop]:
    """The loops over lists that have a name."""
    for node in walk(function):
        match node:
            case ast.For(
                ast.Name(element) | ast.Tuple([_, ast.Name(element)]),
                ast.BoolOp(ast.Or(), [ast.Name(name), _])
                | ast.Call(_, [ast.BoolOp(ast.Or(), [ast.Name(name), _])]),
            ):
                yield name, element, node


def key_of(node: ast.AST, element: str) -> str | None:
    """The key of ``element.get('key')``."""
    match node:
        case ast.Call(ast.Attribute(ast.Name(name), "get"), [ast.Constant(str(key))]) if (
            name == element
        ):
            return key
    return None


def texts(node: ast.expr) -> frozenset[str] | None:
    """A text, or all that stand in a tuple."""
    found = node.elts if isinstance(node, ast.Tuple) else [node]
    texts = [each.value for each in found if isinstance(each, ast.Constant)]
    known = frozenset(each for each in texts if isinstance(each, str))
    return known if len(known) == len(found) else None


def lack(function: ast.FunctionDef, name: str, keys: frozenset[str]) -> None:
    """Keys that the elements of a list do not have are absent wherever they are asked for."""

    def lacks(node: ast.expr, element: str) -> bool:
        key = key_of(node, element)
        return key is not None and key not in keys

    def replace(node: ast.expr) -> ast.expr:
        match node:
            # what the elements hold under a key that none has
            case ast.ListComp(
                _,
                [
                    ast.comprehension(
                        ast.Name(element),
                        ast.Name(source),
                        [ast.Compare(ast.NamedExpr(_, value), [ast.IsNot()], [ast.Constant(None)])],
                    )
                ],
            ) if source == name and lacks(value, element):
                return ast.copy_location(ast.List([], ast.Load()), node)
            # the first of them
            case ast.Subscript(
                ast.Tuple(
                    [
                        ast.NamedExpr(
                            ast.Name(bound),
                            ast.IfExp(
                                ast.Compare(ast.Name(source)), ast.List([]), ast.Constant(None)
                            ),
                        ),
                        ast.IfExp(ast.Name(asked), ast.Subscript(), ast.Constant(None)),
                    ]
                )
            ) if source == name and asked == bound:
                return ast.copy_location(ast.Constant(None), node)
            # a key of one of them
            case ast.IfExp(
                ast.Compare(
                    ast.NamedExpr(
                        ast.Name(element),
                        ast.IfExp(_, ast.Subscript(ast.Name(source)), ast.Constant(None)),
                    ),
                    [ast.IsNot()],
                    [ast.Constant(None)],
                ),
                body,
                ast.Constant(None),
            ) if source == name and lacks(body, element):
                return ast.copy_location(ast.Constant(None), node)
        return node

    replaced(function, {ast.ListComp, ast.Subscript, ast.IfExp}, replace)


def hold(over: list[Loop], key: str, values: frozenset[str]) -> None:
    """In these loops the key of an element holds one of these values."""
    for _, element, loop in over:
        held = {
            target(each)
            for body in blocks(loop)
            for each in body
            if isinstance(each, ast.Assign) and _reads(each.value, element, key)
        }

        def replace(node: ast.expr, held: set[str | None] = held) -> ast.expr:
            told = _told(node, held, values)
            return node if told is None else ast.copy_location(ast.Constant(told), node)

        replaced(loop, {ast.Compare, ast.BoolOp}, replace)
        _unasked(loop, held)


def _unasked(loop: ast.For, held: set[str | None]) -> None:
    """Nothing is read that no comparison asks for any more."""
    read = {each.id for each in names_of(loop) if isinstance(each.ctx, ast.Load)}
    restated(loop, lambda each: [] if target(each) in held - read else [each])


def _reads(node: ast.expr, element: str, key: str) -> bool:
    """Whether this is what the element holds under the key."""
    match node:
        case ast.Call(ast.Name(getter), [ast.Constant(read)]):
            return getter == f"g_{element}" and read == key
    return key_of(node, element) == key


def _told(node: ast.expr, held: set[str | None], values: frozenset[str]) -> bool | None:
    """What a comparison of a name that holds one of these values comes to."""
    match node:
        case ast.Compare(
            ast.Name(name), [ast.Is() | ast.IsNot() as operator], [ast.Constant(None)]
        ):
            return isinstance(operator, ast.IsNot) if name in held else None
        case ast.Compare(ast.Name(name), [ast.Eq() | ast.In()], [_]) | ast.BoolOp(
            ast.Or(), [ast.Compare(ast.Name(name), [ast.Eq()], [_]), *_]
        ):
            wanted = _compared(node, name) if name in held else None
            if wanted is not None and not values & wanted:
                return False
            return True if wanted is not None and values <= wanted else None
    return None


def _compared(node: ast.expr, name: str) -> frozenset[str] | None:
    """The texts of which a name must hold one; None where there is more to it."""
    match node:
        case ast.Compare(ast.Name(one), [ast.Eq() | ast.In()], [wanted]) if one == name:
            return texts(wanted)
        case ast.BoolOp(ast.Or(), values):
            several = [_compared(each, name) for each in values]
            known = [each for each in several if each is not None]
            return frozenset().union(*known) if len(known) == len(several) else None
    return None


# ---------------------------------------------------------------------------- tested beforehand


def test_early(
    function: ast.FunctionDef, usual: Mapping[str, frozenset[str]], names: Mapping[str, Any]
) -> frozenset[str]:
    """Lists of which it is asked whether their elements hold what no rule reads: where all loops
    take these for one usual object they are tested once, where the list is read, and hold no more.
    The objects that need no other test from there on.

    ``names``: the globals of the program, for its trees.
    """
    trees = _asked(function, names)
    if not trees:
        return frozenset()
    taken: dict[str, list[str]] = {}
    for name, element, _ in loops(function):
        if name in trees:
            taken.setdefault(name, []).append(element)
    stores = Counter(each.id for each in names_of(function) if isinstance(each.ctx, ast.Store))
    proven: set[str] = set()
    for name, elements in taken.items():
        keys = {usual.get(each) for each in elements}
        known = keys.pop() if len(keys) == 1 else None
        if known is None or stores[name] != 1 or not any(_fits(t, known) for t in trees[name]):
            continue
        if _tested(function, name, elements[0]):
            _unlooked(function, name, known, names)
            proven |= set(elements)
    return frozenset(proven)


def _asked(node: ast.AST, names: Mapping[str, Any]) -> dict[str, list[Any]]:
    """By the names of lists the trees by which it is asked for what no rule reads of them."""
    found: dict[str, list[Any]] = {}
    for each in walk(node):
        match each:
            case ast.Call(ast.Name("_more"), [ast.Name(name), ast.Name(tree)]):
                found.setdefault(name, []).append(names[tree])
    return found


def _fits(tree: Any, known: frozenset[str]) -> bool:
    """Whether elements that hold these keys hold nothing that no rule reads."""
    inner = tree.get(ELEMENT)
    return bool(inner) and all(key in inner and not inner[key] for key in known)


def _tested(function: ast.FunctionDef, name: str, element: str) -> bool:
    """Put the test of all elements behind that of the list; whether there is one."""
    for body in blocks(function):
        for position, statement in enumerate(body):
            if target(statement) != name:
                continue
            after = position + 1
            while after < len(body) and is_copy(body[after]):
                after += 1
            test = body[after] if after < len(body) else statement
            if not isinstance(test, ast.If) or not isinstance(test.body[0], ast.Raise):
                return False
            text = (
                f"if {name} is not None:\n"
                f" for y_{name} in {name}:\n"
                f"  if type(y_{name}) is not dict or not _usual_{element}.issuperset(y_{name}):\n"
                "   raise Unusual"
            )
            body[after + 1 : after + 1] = placed(text, test)
            return True
    return False


def _unlooked(
    function: ast.FunctionDef, name: str, known: frozenset[str], names: Mapping[str, Any]
) -> None:
    """Nothing that no rule reads is found there."""

    def replace(node: ast.expr) -> ast.expr:
        match node:
            case ast.BoolOp(
                ast.And(), [ast.Compare(ast.Name(asked), [ast.IsNot()], [ast.Constant(None)]), look]
            ) if asked == name and any(
                _fits(tree, known) for tree in _asked(look, names).get(name, ())
            ):
                return ast.copy_location(ast.Constant(False), node)
        return node

    replaced(function, {ast.BoolOp}, replace)
