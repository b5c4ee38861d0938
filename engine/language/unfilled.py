"""Lists and objects of a quick form into which nothing is put, as what would fill them is folded
away."""

from __future__ import annotations

import ast

from engine.language.statements import replaced, restated, target, walk


def empty_out(function: ast.FunctionDef) -> bool:
    """What is said of containers that stay empty, decided in place; whether there was any."""
    never = _unfilled(function)
    changed = False

    def decide(node: ast.expr) -> ast.expr:
        nonlocal changed
        match node:
            case ast.BoolOp(ast.Or(), [ast.Name(name), other]) if name in never:
                changed = True
                return other
            case ast.UnaryOp(ast.Not(), ast.Name(name)) if name in never:
                changed = True
                return ast.copy_location(ast.Constant(True), node)
        return node

    def drop(node: ast.stmt) -> list[ast.stmt]:
        nonlocal changed
        if isinstance(node, ast.AugAssign) and _name(node.value) in never:
            changed = True
            return []
        return [node]

    if never:
        replaced(function, {ast.BoolOp, ast.UnaryOp}, decide)
        restated(function, drop)
    return changed


def _unfilled(function: ast.FunctionDef) -> frozenset[str]:
    """The names that are an empty container or nothing wherever they are read."""
    made: set[str] = set()
    filled: set[str] = {each.arg for each in function.args.args}
    known: set[int] = set()
    inside = walk(function)
    for node in inside:
        match node:
            case ast.Assign([ast.Name(name) as place], value):
                if _empty(value):
                    made.add(name)
                    known.add(id(place))
                elif _none(value) or _first(value) == name:
                    known.add(id(place))
            case ast.Assign([ast.Subscript()], ast.Name() as value):
                # in lists that become nothing where they are empty; objects may be filled there
                known.add(id(value))
            case ast.BoolOp(ast.Or(), [ast.Name() as value, _]):
                known.add(id(value))
            case ast.UnaryOp(ast.Not(), ast.Name() as value):
                known.add(id(value))
            case ast.AugAssign(_, ast.Add(), ast.Name() as value):
                known.add(id(value))
            case ast.Compare(ast.Name() as value, [ast.Is() | ast.IsNot()], [ast.Constant(None)]):
                known.add(id(value))
    ends = {
        own
        for node in inside
        if isinstance(node, ast.Assign) and (own := target(node)) and _first(node.value) == own
    }
    for node in inside:
        match node:
            case ast.Assign([ast.Subscript()], ast.Name(name)) if name not in ends:
                filled.add(name)
            case ast.Name(name) if id(node) not in known:
                filled.add(name)
    return frozenset(made - filled)


def _empty(node: ast.expr) -> bool:
    return (isinstance(node, ast.List) and not node.elts) or (
        isinstance(node, ast.Dict) and not node.keys
    )


def _none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _first(node: ast.expr) -> str | None:
    """The name in ``name or None``."""
    match node:
        case ast.BoolOp(ast.Or(), [ast.Name(name), ast.Constant(None)]):
            return name
    return None


def _name(node: ast.expr) -> str | None:
    return node.id if isinstance(node, ast.Name) else None
