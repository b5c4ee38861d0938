"""Comparisons in generated code, decided where what is known of both sides tells enough."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from engine.language.facts import Env, Fact, fact_of
from engine.language.nodes import harmless, is_call


def compared(node: ast.Compare, env: Env, usual: Mapping[str, frozenset[str]]) -> ast.expr:
    """A comparison whose sides are folded, or what it comes to. ``usual``: by the name of an object
    the keys that it has at most."""
    if len(node.ops) != 1:
        return node
    left, right, operator = node.left, node.comparators[0], node.ops[0]
    if isinstance(operator, ast.Is) and is_call(left, "type") and isinstance(right, ast.Name):
        assert isinstance(left, ast.Call)
        return of_kind(node, left.args[0], right.id, env)
    told = _told(left, operator, right, env, usual)
    return ast.copy_location(ast.Constant(told), node) if told is not None else node


def of_kind(node: ast.expr, value: ast.expr, wanted: str, env: Env) -> ast.expr:
    """The test whether a value is of a type, as far as that is not known."""
    known = fact_of(value, env)
    decided = known.kind != wanted or known.null is not None
    if known.kind is None or (decided and not harmless(value)):
        return node
    if decided:
        told = known.kind == wanted and known.null is False
        return ast.copy_location(ast.Constant(told), node)
    test = ast.Compare(value, [ast.IsNot()], [ast.copy_location(ast.Constant(None), node)])
    return ast.copy_location(test, node)


def _told(
    left: ast.expr,
    operator: ast.cmpop,
    right: ast.expr,
    env: Env,
    usual: Mapping[str, frozenset[str]],
) -> bool | None:
    one, other = fact_of(left, env), fact_of(right, env)
    if isinstance(operator, ast.Is | ast.IsNot):
        found = _identical(left, one, right, env)
        return found if found is None or isinstance(operator, ast.Is) else not found
    if isinstance(operator, ast.Eq | ast.NotEq):
        if isinstance(one.node, ast.Constant) and isinstance(other.node, ast.Constant):
            found = bool(one.node.value == other.node.value)
        elif (one.null and other.null is False) or (other.null and one.null is False):
            found = False
        else:
            return None
        return found if isinstance(operator, ast.Eq) else not found
    if isinstance(operator, ast.In | ast.NotIn) and isinstance(right, ast.Name):
        keys = usual.get(right.id)
        if keys is not None and isinstance(left, ast.Constant) and left.value not in keys:
            return isinstance(operator, ast.NotIn)
    return None


def _identical(left: ast.expr, known: Fact, right: ast.expr, env: Env) -> bool | None:
    if isinstance(right, ast.Constant) and right.value is None and harmless(left):
        return known.null
    if isinstance(right, ast.Constant) and isinstance(right.value, bool):
        if isinstance(known.node, ast.Constant) and harmless(left):
            return known.node.value is right.value
        return False if known.kind not in (None, "bool") and harmless(left) else None
    if is_call(left, "type") and isinstance(right, ast.Name):
        # what is asked with "is not" ends the quick form
        assert isinstance(left, ast.Call)
        inner = fact_of(left.args[0], env)
        if inner.null is False and inner.kind is not None and harmless(left.args[0]):
            return inner.kind == right.id
    return None
