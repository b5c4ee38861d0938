"""What is known of a value while generated code is folded, and what a test tells."""

from __future__ import annotations

import ast
from collections.abc import Container
from dataclasses import dataclass

Env = dict[str, "Fact"]


@dataclass(frozen=True, slots=True)
class Fact:
    """Of one value. ``node``: a constant or a name that may stand in its place; ``null``: whether
    it is None, where that is known; ``kind``: the name of its exact type."""

    node: ast.expr | None = None
    null: bool | None = None
    kind: str | None = None


UNKNOWN = Fact()
_SOME = Fact(null=False)
_BOOL = Fact(null=False, kind="bool")
_DISPLAYS = {
    ast.Dict: Fact(null=False, kind="dict"),
    ast.List: Fact(null=False, kind="list"),
    ast.ListComp: Fact(null=False, kind="list"),
    ast.Tuple: Fact(null=False, kind="tuple"),
    ast.JoinedStr: Fact(null=False, kind="str"),
    ast.Lambda: _SOME,
    ast.Compare: _BOOL,
}


def of_constant(node: ast.Constant) -> Fact:
    """The fact of a literal."""
    if node.value is None:
        return Fact(node, True, "NoneType")
    return Fact(node, False, type(node.value).__name__)


def fact_of(node: ast.expr, env: Env) -> Fact:
    """What is known of an expression that is already folded."""
    if isinstance(node, ast.Constant):
        return of_constant(node)
    if isinstance(node, ast.Name):
        known = env.get(node.id, UNKNOWN)
        return known if known.node is not None else Fact(node, known.null, known.kind)
    if isinstance(node, ast.NamedExpr):
        known = fact_of(node.value, env)
        name = ast.copy_location(ast.Name(node.target.id, ast.Load()), node)
        return known if known.node is not None else Fact(name, known.null, known.kind)
    if isinstance(node, ast.IfExp):
        return either(fact_of(node.body, env), fact_of(node.orelse, env))
    if isinstance(node, ast.UnaryOp):
        return _BOOL if isinstance(node.op, ast.Not) else _SOME
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id in ("isinstance", "_is_a", "_eq", "_known", "_among"):
            return _BOOL
        if node.func.id in ("len", "type", "enumerate", "_text", "_id"):
            return _SOME
    return _DISPLAYS.get(type(node), UNKNOWN)


def either(one: Fact, other: Fact) -> Fact:
    """What holds of a value that is one or the other."""
    return Fact(
        one.node if one.node is not None and same(one.node, other.node) else None,
        one.null if one.null == other.null else None,
        one.kind if one.kind == other.kind else None,
    )


def same(one: ast.expr, other: ast.expr | None) -> bool:
    """Whether two constants or names are the same."""
    if isinstance(one, ast.Constant):
        return (
            isinstance(other, ast.Constant)
            and type(one.value) is type(other.value)
            and bool(one.value == other.value)
        )
    return isinstance(one, ast.Name) and isinstance(other, ast.Name) and one.id == other.id


def joined(one: Env, other: Env, once: Container[str]) -> Env:
    """What holds after either of two branches. ``once``: names that are set at one place only, so
    that they are read only where that was passed."""
    found: Env = {}
    for name, fact in one.items():
        other_fact = other.get(name)
        if other_fact is fact:
            found[name] = fact
        elif other_fact is not None:
            found[name] = either(fact, other_fact)
        elif name in once:
            found[name] = fact
    for name, fact in other.items():
        if name not in one and name in once:
            found[name] = fact
    return found


def assigned(env: Env, name: str, fact: Fact) -> None:
    """A name has a new value; what stood for the old one does no longer."""
    forget(env, {name})
    node = fact.node
    if isinstance(node, ast.Name) and node.id == name:
        fact = Fact(None, fact.null, fact.kind)
    env[name] = fact


def forget(env: Env, names: set[str]) -> None:
    """Nothing is known of these names."""
    for key, fact in list(env.items()):
        if key in names:
            del env[key]
        elif isinstance(fact.node, ast.Name) and fact.node.id in names:
            env[key] = Fact(None, fact.null, fact.kind)


def refine(env: Env, test: ast.expr, truth: bool) -> None:
    """What is known where a test came out so."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        refine(env, test.operand, not truth)
    elif isinstance(test, ast.BoolOp):
        if isinstance(test.op, ast.And) is truth:
            for value in test.values:
                refine(env, value, truth)
    elif isinstance(test, ast.Compare) and len(test.ops) == 1:
        _compared(env, test, truth)
    elif truth:
        name = _name(test)
        if name is not None:
            _known(env, name, null=False)
        elif isinstance(test, ast.Call) and _named(test.func, "isinstance"):
            name = _name(test.args[0])
            if name is not None:
                _known(env, name, null=False)


def _compared(env: Env, test: ast.Compare, truth: bool) -> None:
    left, right = test.left, test.comparators[0]
    operator = test.ops[0]
    if isinstance(operator, ast.IsNot | ast.NotEq):
        truth = not truth
    identity = isinstance(operator, ast.Is | ast.IsNot)
    if identity and isinstance(right, ast.Constant) and right.value is None:
        name = _name(left)
        if name is not None and truth:
            env[name] = of_constant(right)
        elif name is not None:
            _known(env, name, null=False)
    elif identity and isinstance(left, ast.Call) and _named(left.func, "type"):
        name = _name(left.args[0])
        if name is not None and truth and isinstance(right, ast.Name):
            _known(env, name, null=False, kind=right.id)
    elif (
        truth
        and isinstance(operator, ast.Eq | ast.NotEq)
        and isinstance(right, ast.Constant)
        and type(right.value) is str
    ):
        name = _name(left)
        if name is not None:
            _known(env, name, null=False)


def _known(env: Env, name: str, null: bool, kind: str | None = None) -> None:
    before = env.get(name, UNKNOWN)
    env[name] = Fact(before.node, null, kind or before.kind)


def _name(node: ast.expr) -> str | None:
    if isinstance(node, ast.NamedExpr):
        node = node.target
    return node.id if isinstance(node, ast.Name) else None


def _named(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
