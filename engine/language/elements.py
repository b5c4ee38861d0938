"""What is known of the elements of a list in a quick form, put in where it is asked for.

Of a list whose elements were tested all keys are known that they may have, and of one that was
picked by a key what that key holds.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from engine.language.statements import blocks, names, replaced, restated, target, walk

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
    read = {each.id for each in names(loop) if isinstance(each.ctx, ast.Load)}
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
