"""What is known of a value while generated code is folded, and what a test tells."""

from __future__ import annotations

import ast
from collections.abc import Container
from dataclasses import dataclass

from engine.language.statements import names

Env = dict[str, "Fact"]


@dataclass(frozen=True, slots=True)
class Fact:
    """Of one value. ``node``: a constant or a name that may stand in its place; ``null``: whether
    it is None, where that is known; ``kind``: the name of its exact type, unless it is None."""

    node: ast.expr | None = None
    null: bool | None = None
    kind: str | None = None


UNKNOWN = Fact()
OBJECT = Fact(null=False, kind="dict")
_SOME = Fact(null=False)
_BOOL = Fact(null=False, kind="bool")
_INT, _LIST = Fact(null=False, kind="int"), Fact(kind="list")
# What functions give that generated code calls.
_GIVEN = {
    **dict.fromkeys("isinstance _is_a _eq _known _among".split(), _BOOL),
    **dict.fromkeys("type enumerate _id".split(), _SOME),
    **dict.fromkeys("len _f_length _p_count".split(), _INT),
    **dict.fromkeys("_each _flatten _present _values _slice".split(), _LIST),
    **dict.fromkeys("_p_index_of _p_last_index".split(), Fact(kind="int")),
    **dict.fromkeys("_p_unique_by _joined".split(), Fact(null=False, kind="list")),
    "_text": Fact(null=False, kind="str"),
}
_DISPLAYS = {
    ast.Dict: OBJECT,
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
        there = {name.id: env[name.id] for name in names(node) if name.id in env}
        not_there = there.copy()
        refine(there, node.test, True)
        refine(not_there, node.test, False)
        return either(fact_of(node.body, there), fact_of(node.orelse, not_there))
    if isinstance(node, ast.UnaryOp):
        return _BOOL if isinstance(node.op, ast.Not) else _SOME
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id in ("_q_add", "_q_sub"):
            return _sum([fact_of(each, env) for each in node.args])
        return _GIVEN.get(node.func.id, UNKNOWN)
    if isinstance(node, ast.BoolOp):
        return _chained([fact_of(each, env) for each in node.values], isinstance(node.op, ast.Or))
    if isinstance(node, ast.BinOp):
        return _computed(fact_of(node.left, env), fact_of(node.right, env))
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Tuple):
        position = node.slice
        assert isinstance(position, ast.Constant | ast.UnaryOp)
        return fact_of(node.value.elts[ast.literal_eval(position)], env)
    return _DISPLAYS.get(type(node), UNKNOWN)


def _chained(values: list[Fact], either_of: bool) -> Fact:
    """Of ``a or b`` (``either_of``) and ``a and b``, of which the value is one of them."""
    kinds = {each.kind for each in values if each.null is not True}
    sure = values[-1].null is False if either_of else all(each.null is False for each in values)
    nothing = either_of and all(each.null is True for each in values)
    kind = kinds.pop() if len(kinds) == 1 else None
    return Fact(None, False if sure else True if nothing else None, kind)


def _sum(values: list[Fact]) -> Fact:
    """Of ``add`` and ``sub``, to which nothing counts as zero."""
    if all(each.kind == "int" or each.null is True for each in values):
        return Fact(None, False if any(each.null is False for each in values) else None, "int")
    return UNKNOWN


def _computed(left: Fact, right: Fact) -> Fact:
    """Of a sum or difference."""
    sure = left.null is False and right.null is False and left.kind == right.kind
    return Fact(None, False, left.kind) if sure and left.kind in ("int", "list") else _SOME


def either(one: Fact, other: Fact) -> Fact:
    """What holds of a value that is one or the other."""
    node = one.node if one.node is not None and same(one.node, other.node) else None
    if one.null is True or other.null is True:
        kind = other.kind if one.null is True else one.kind
    else:
        kind = one.kind if one.kind == other.kind else None
    return Fact(node, one.null if one.null == other.null else None, kind)


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
    found = one.copy()
    for name in [name for name, fact in one.items() if other.get(name) is not fact]:
        if name in other:
            found[name] = either(one[name], other[name])
        elif name not in once:
            del found[name]
    for name in other.keys() - one.keys():
        if name in once:
            found[name] = other[name]
    return found


def assigned(env: Env, name: str, fact: Fact) -> None:
    """A name has a new value; what stood for the old one does no longer."""
    stale = [
        key
        for key, known in env.items()
        if known.node.__class__ is ast.Name and known.node.id == name
    ]
    for key in stale:
        env[key] = Fact(None, env[key].null, env[key].kind)
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
        elif not truth:
            _supposed(env, test)
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


def _supposed(env: Env, test: ast.BoolOp) -> None:
    """What holds where ``x is not None and type(x) is not kind`` (or more) does not, in either
    order."""
    if len(test.values) != 2:
        return
    for there, other in (test.values, test.values[::-1]):
        first: ast.expr = other
        if isinstance(other, ast.BoolOp) and isinstance(other.op, ast.Or):
            first = other.values[0]
        match there, first:
            case (
                ast.Compare(ast.Name(one), [ast.IsNot()], [ast.Constant(None)]),
                ast.Compare(
                    ast.Call(ast.Name("type"), [ast.Name(two)]), [ast.IsNot()], [ast.Name(kind)]
                ),
            ) if one == two:
                before = env.get(one, UNKNOWN)
                env[one] = Fact(before.node, before.null, kind)


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
            env[name] = of_constant(right)


def _known(env: Env, name: str, null: bool, kind: str | None = None) -> None:
    before = env.get(name, UNKNOWN)
    env[name] = Fact(before.node, null, kind or before.kind)


def _name(node: ast.expr) -> str | None:
    if isinstance(node, ast.NamedExpr):
        node = node.target
    return node.id if isinstance(node, ast.Name) else None


def _named(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
