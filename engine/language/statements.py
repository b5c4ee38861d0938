"""Walking through generated statements, and changing them in place.

Making quick forms is most of the work of a first start, and walking is most of that: so it looks
only where nodes can be.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Container, Iterator
from typing import TypeVar

_Node = TypeVar("_Node", bound=ast.AST)

# Fields that hold no nodes, or such as nobody asks for by themselves: contexts and operators.
_PASSED = frozenset(
    "arg attr conversion ctx id is_async kind lineno name op ops type_comment".split()
)
_BODIES = ("body", "orelse")
_COMPOUND = frozenset({ast.Module, ast.FunctionDef, ast.If, ast.For, ast.While, ast.With, ast.Try})


class _Fields(dict[type, tuple[str, ...]]):
    """By the class of a node the fields in which nodes may be."""

    def __missing__(self, kind: type[ast.AST]) -> tuple[str, ...]:
        found = tuple(each for each in kind._fields if each not in _PASSED)
        found = self[kind] = () if kind is ast.Constant else found
        return found


_FIELDS = _Fields({type(None): ()})


def walk(node: ast.AST) -> list[ast.AST]:
    """A node and all inside it, outer ones first, as ``ast.walk`` has them; without contexts and
    operators."""
    found = [node]
    for each in found:
        for field in _FIELDS[each.__class__]:
            value = getattr(each, field)
            if value.__class__ is list:
                # a display has none for the key of what is merged into it
                found += [inner for inner in value if inner is not None] if None in value else value
            elif value is not None:
                found.append(value)
    return found


def names(node: ast.AST) -> list[ast.Name]:
    """All names inside, each as often as it stands there."""
    return [each for each in walk(node) if isinstance(each, ast.Name)]


def target(node: ast.stmt) -> str | None:
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return None


def uses(node: ast.AST, variable: str) -> bool:
    return any(each.id == variable for each in names(node))


def blocks(node: ast.AST) -> list[list[ast.stmt]]:
    """All blocks of statements inside, however deep, outer ones first."""
    found: list[list[ast.stmt]] = []
    for body in bodies(node):
        found.append(body)
        for statement in body:
            if statement.__class__ in _COMPOUND:
                found += blocks(statement)
    return found


def bodies(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for word in _BODIES:
        body = getattr(node, word, None)
        if isinstance(body, list):
            yield body


def restated(node: ast.AST, change: Callable[[ast.stmt], list[ast.stmt]]) -> None:
    """Each statement inside, however deep, becomes those that ``change`` gives."""
    for body in bodies(node):
        found = []
        for statement in body:
            if statement.__class__ in _COMPOUND:
                restated(statement, change)
            found += change(statement)
        if not found and body and not isinstance(node, ast.Module):
            found = [ast.copy_location(ast.Pass(), body[0])]
        body[:] = found


def replaced(
    node: ast.AST, kinds: Container[type[ast.expr]], change: Callable[[ast.expr], ast.expr]
) -> None:
    """Each expression of these kinds inside, however deep, becomes what ``change`` gives."""
    for field in _FIELDS[node.__class__]:
        value = getattr(node, field)
        if value.__class__ is list:
            for position, each in enumerate(value):
                if _FIELDS[each.__class__]:
                    replaced(each, kinds, change)
                if each.__class__ in kinds:
                    value[position] = change(each)
        elif value is not None:
            if _FIELDS[value.__class__]:
                replaced(value, kinds, change)
            if value.__class__ in kinds:
                setattr(node, field, change(value))


def copied(node: _Node) -> _Node:
    """The same once more: what is changed in one is not in the other."""
    made = node.__class__()
    own = vars(made)
    own.update(vars(node))
    for field in _FIELDS[node.__class__]:
        value = own.get(field)
        if value.__class__ is list:
            own[field] = [None if each is None else copied(each) for each in value]
        elif value is not None:
            own[field] = copied(value)
    return made


def placed(text: str, at: ast.stmt) -> list[ast.stmt]:
    """Statements that stand at the line of another."""
    made = ast.parse(text).body
    for each in made:
        for inner in walk(each):
            if hasattr(inner, "lineno"):
                ast.copy_location(inner, at)
    return made
