"""Lists and objects of a quick form into which nothing is put, as what would fill them is folded
away."""

from __future__ import annotations

import ast
from collections import Counter

from engine.language.statements import replaced, restated, walk

# What a name may stand in without being filled.
_TELLING = (ast.Assign, ast.BoolOp, ast.UnaryOp, ast.AugAssign, ast.Compare)


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
    # how often each name stands where it is not filled: one node may stand at several places
    known: Counter[str] = Counter()
    ends: set[str] = set()
    put: set[str] = set()
    inside = walk(function)
    names = [each for each in inside if isinstance(each, ast.Name)]
    read = {each.id for each in names if isinstance(each.ctx, ast.Load)}
    for node in inside:
        if not isinstance(node, _TELLING):
            continue
        match node:
            case ast.Assign([ast.Name(name)], value):
                ends |= {name} & {_first(value)}
                if _empty(value):
                    made.add(name)
                    known[name] += 1
                elif _none(value) or _first(value) == name:
                    known[name] += 1
                elif isinstance(value, ast.Name) and name not in read:
                    # its other names stand for it wherever they are read
                    known[value.id] += 1
            case ast.Assign([ast.Subscript()], ast.Name(name)):
                # in lists that become nothing where they are empty; objects may be filled there
                put.add(name)
                known[name] += 1
            case (
                ast.BoolOp(ast.Or(), [ast.Name(name), _])
                | ast.UnaryOp(ast.Not(), ast.Name(name))
                | ast.AugAssign(_, ast.Add(), ast.Name(name))
                | ast.Compare(ast.Name(name), [ast.Is() | ast.IsNot()], [ast.Constant(None)])
            ):
                known[name] += 1
    uses = Counter(each.id for each in names)
    used_else = {name for name in made if uses[name] > known[name]}
    return frozenset(made - filled - used_else - (put - ends))


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
