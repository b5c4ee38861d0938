"""Taking out of folded code what nothing needs any more."""

from __future__ import annotations

import ast
from collections import Counter

from engine.language.nodes import harmless
from engine.language.statements import blocks, bodies, replaced, restated, target, uses, walk

# Names of what is made: results, objects, values inside expressions.
_OWN = frozenset("rdt")


def sweep(function: ast.FunctionDef) -> None:
    """Take out what nobody reads, and put keys that are always set into the display."""
    while True:
        read = {
            each.id
            for each in walk(function)
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)
        }
        taken = 0

        def bare(node: ast.expr, read: set[str] = read) -> ast.expr:
            if isinstance(node, ast.NamedExpr) and node.target.id not in read:
                return node.value
            return node

        def kept(node: ast.stmt, read: set[str] = read) -> list[ast.stmt]:
            nonlocal taken
            name = target(node)
            if name is None or name in read:
                return [node]
            assert isinstance(node, ast.Assign)
            taken += 1
            if harmless(node.value):
                return []
            return [ast.copy_location(ast.Expr(node.value), node)]

        replaced(function, bare)
        restated(function, kept)
        if not taken and not _coalesced(function):
            break
    _displayed(function)


def _displayed(node: ast.AST) -> None:
    for body in bodies(node):
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
    name = target(one)
    if name is None or not isinstance(one, ast.Assign) or not isinstance(one.value, ast.Dict):
        return False
    if not isinstance(other, ast.Assign) or not isinstance(other.targets[0], ast.Subscript):
        return False
    place = other.targets[0]
    if not isinstance(place.value, ast.Name) or place.value.id != name:
        return False
    if any(isinstance(each, ast.Name) and each.id == name for each in walk(other.value)):
        return False
    one.value.keys.append(place.slice)
    one.value.values.append(other.value)
    return True


def _coalesced(function: ast.FunctionDef) -> bool:
    """A value that only gets another name gets that at once; whether anything was changed."""
    counts = Counter(each.id for each in walk(function) if isinstance(each, ast.Name))
    changed = False
    for body in [*blocks(function)]:
        for position in range(len(body) - 1, -1, -1):
            changed = _renamed(body, position, counts) or changed
            changed = _overwritten(body, position) or changed
    return changed


def _renamed(body: list[ast.stmt], position: int, counts: Counter[str]) -> bool:
    """``a = b`` after all that there is of b: it is called a from the beginning."""
    if position >= len(body):
        return False
    statement = body[position]
    new = target(statement)
    if new is None or not isinstance(statement, ast.Assign):
        return False
    if not isinstance(statement.value, ast.Name) or statement.value.id[:1] not in _OWN:
        return False
    old = statement.value.id
    left = counts[old] - 1
    start = position
    while left and start:
        start -= 1
        inside = list(walk(body[start]))
        names = [each for each in inside if isinstance(each, ast.Name)]
        if any(each.id == new for each in names) or any(
            isinstance(each, ast.Continue) for each in inside
        ):
            return False
        left -= sum(each.id == old for each in names)
    if left or start == position:
        return False
    for each in body[start:position]:
        for name in walk(each):
            if isinstance(name, ast.Name) and name.id == old:
                name.id = new
    counts[new] += counts.pop(old) - 2
    del body[position]
    return True


def _overwritten(body: list[ast.stmt], position: int) -> bool:
    """``a = None`` right before ``a = b``."""
    if position + 1 >= len(body):
        return False
    name = target(body[position])
    after = body[position + 1]
    if name is None or name != target(after):
        return False
    assert isinstance(after, ast.Assign)
    statement = body[position]
    assert isinstance(statement, ast.Assign)
    if not harmless(statement.value) or uses(after.value, name):
        return False
    del body[position]
    return True
