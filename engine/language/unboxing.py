"""The state of a scan as plain names, where nothing needs it as one object.

``$scan`` keeps its state in a dictionary, which rules may hand on. Most name its variables one by
one: then each is a local name, of which folding knows what it knows of any other.
"""

from __future__ import annotations

import ast
import re

from engine.language.statements import names, replaced, restated, walk

_STATE = re.compile(r"S\d+")


def unbox(function: ast.FunctionDef) -> None:
    """Take the states of a function apart, in place."""
    states = _states(function)
    if states:
        _take_apart(function, states)


def _states(function: ast.FunctionDef) -> frozenset[str]:
    """The states that are set to a display once, and of which only variables are named."""
    made: dict[str, int] = {}
    named: dict[str, int] = {}
    for node in walk(function):
        if isinstance(node, ast.Name):
            if _STATE.fullmatch(node.id):
                named[node.id] = named.get(node.id, 0) + 1
        elif isinstance(node, ast.Lambda | ast.ListComp):
            # what they name would have to outlive the function
            for each in names(node):
                named[each.id] = named.get(each.id, 0) + 1
        elif name := _display(node):
            made[name] = made.get(name, 0) + 1
        elif name := _variable(node):
            named[name] = named.get(name, 0) - 1
    return frozenset(name for name in made if made[name] == named.get(name) == 1)


def _display(node: ast.AST) -> str | None:
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
        (target,) = node.targets
        if isinstance(target, ast.Name) and _STATE.fullmatch(target.id):
            return target.id
    return None


def _variable(node: ast.AST) -> str | None:
    if (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
    ):
        return node.value.id
    return None


def _local(state: str, variable: object) -> str:
    return f"{state}_{variable}"


def _take_apart(function: ast.FunctionDef, states: frozenset[str]) -> None:
    def local(node: ast.expr) -> ast.expr:
        assert isinstance(node, ast.Subscript)
        state = _variable(node)
        if state is None or state not in states:
            return node
        assert isinstance(node.slice, ast.Constant)
        return ast.copy_location(ast.Name(_local(state, node.slice.value), node.ctx), node)

    def set_one_by_one(node: ast.stmt) -> list[ast.stmt]:
        state = _display(node)
        if state is None or state not in states:
            return [node]
        assert isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        return [
            ast.copy_location(
                ast.Assign([ast.Name(_local(state, key.value), ast.Store())], value), node
            )
            for key, value in zip(node.value.keys, node.value.values, strict=True)
            if isinstance(key, ast.Constant)
        ]

    replaced(function, {ast.Subscript}, local)
    restated(function, set_one_by_one)
