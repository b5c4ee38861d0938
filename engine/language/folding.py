"""Folding generated code: what is known decides tests, and names stand for what they were set to.

Works on the Python that :mod:`engine.language.compiler` writes and on nothing else: every name is
local, documents are never changed, and a name made for a value inside an expression (``t12``) is
bound wherever it is read.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping
from typing import Any

from engine.language.facts import (
    Env,
    Fact,
    assigned,
    fact_of,
    forget,
    joined,
    refine,
    same,
)
from engine.language.runtime import EVALUATION_ERRORS

NONE = ast.Constant(None)
# Helpers that give the same for the same arguments.
_PURE = frozenset(
    "_flatten _each _values _present _index _slice _row _known _text _eq _is_a _among".split()
)
# Names that have one value as long as they are read.
_SETTLED = frozenset({"v_", "x_", "a_", "k_"})
_ENDS = (ast.Return, ast.Raise, ast.Continue)


class Folding:
    """Folds the functions of one program. ``names``: its globals. ``usual``: by the name of an
    object the keys that it has at most."""

    def __init__(self, names: Mapping[str, Any], usual: Mapping[str, frozenset[str]]) -> None:
        self._names = names
        self._usual = usual
        # names inside expressions that are bound at one place
        self._once: frozenset[str] = frozenset()

    def function(self, node: ast.FunctionDef) -> None:
        """Fold a function in place."""
        counts = Counter(
            each.id
            for each in ast.walk(node)
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
        )
        inside = {each.target.id for each in ast.walk(node) if isinstance(each, ast.NamedExpr)}
        self._once = frozenset(name for name in inside if counts[name] == 1)
        node.body = self.block(node.body, {}) or [ast.copy_location(ast.Pass(), node)]

    # ---------------------------------------------------------------- statements

    def block(self, body: list[ast.stmt], env: Env) -> list[ast.stmt]:
        """The statements folded; ``env`` is changed to what is known after them."""
        out: list[ast.stmt] = []
        for statement in body:
            out += self._statement(statement, env)
            if out and isinstance(out[-1], _ENDS):
                break
        return out

    def _statement(self, node: ast.stmt, env: Env) -> list[ast.stmt]:
        if isinstance(node, ast.Assign):
            return self._assign(node, env)
        if isinstance(node, ast.If):
            return self._if(node, env)
        if isinstance(node, ast.For):
            return self._for(node, env)
        if isinstance(node, ast.Expr):
            node.value = self.expression(node.value, env)
            return [] if isinstance(node.value, ast.Constant | ast.Name) else [node]
        if isinstance(node, ast.Return):
            node.value = self.expression(node.value, env) if node.value else None
        elif isinstance(node, ast.Raise):
            node.exc = self.expression(node.exc, env) if node.exc else None
        elif isinstance(node, ast.AugAssign):
            node.value = self.expression(node.value, env)
            if isinstance(node.target, ast.Name):
                before = env.get(node.target.id)
                assigned(env, node.target.id, Fact(None, False, before.kind if before else None))
        elif isinstance(node, ast.Pass):
            return []
        return [node]

    def _assign(self, node: ast.Assign, env: Env) -> list[ast.stmt]:
        (target,) = node.targets
        if isinstance(target, ast.Name) and target.id[:2] == "g_" and target.id[2:] in self._usual:
            if target.id[2:4] != "v_":
                assigned(env, target.id[2:], Fact(None, False, "dict"))
            return [node]
        node.value = self.expression(node.value, env)
        if isinstance(target, ast.Name):
            assigned(env, target.id, fact_of(node.value, env))
        elif isinstance(target, ast.Subscript):
            target.slice = self.expression(target.slice, env)
        else:
            forget(env, stored(target))
        return [node]

    def _if(self, node: ast.If, env: Env) -> list[ast.stmt]:
        test = self.test(node.test, env)
        if isinstance(test, ast.Constant):
            return self.block(node.body if test.value else node.orelse, env)
        there, not_there = env.copy(), env.copy()
        refine(there, test, True)
        refine(not_there, test, False)
        body = self.block(node.body, there)
        other = self.block(node.orelse, not_there)
        ended = bool(body) and isinstance(body[-1], _ENDS)
        ended_too = bool(other) and isinstance(other[-1], _ENDS)
        after = not_there if ended else there if ended_too else joined(there, not_there, self._once)
        env.clear()
        env.update(after)
        if not body and not other:
            return [] if harmless(test) else [ast.copy_location(ast.Expr(test), node)]
        if not body:
            test, body, other = ast.UnaryOp(ast.Not(), test), other, []
            ast.copy_location(test, node)
        node.test, node.body, node.orelse = test, body, other
        return [node]

    def _for(self, node: ast.For, env: Env) -> list[ast.stmt]:
        node.iter = self.expression(node.iter, env)
        if _empty(node.iter):
            return []
        forget(env, stored(node))
        node.body = self.block(node.body, env.copy()) or [ast.copy_location(ast.Pass(), node)]
        return [node]

    # ---------------------------------------------------------------- expressions

    def expression(self, node: ast.expr, env: Env) -> ast.expr:
        """An expression folded; names bound inside it are known afterwards."""
        if isinstance(node, ast.Constant):
            return node
        if isinstance(node, ast.Name):
            known = env.get(node.id)
            if known is not None and known.node is not None and node.id not in self._usual:
                return known.node
            return node
        fold = getattr(self, "_" + type(node).__name__.lower(), None)
        if fold is not None:
            folded: ast.expr = fold(node, env)
            return folded
        for field, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                setattr(node, field, self.expression(value, env))
            elif isinstance(value, list):
                items = [self.expression(v, env) if isinstance(v, ast.expr) else v for v in value]
                setattr(node, field, items)
        return node

    def test(self, node: ast.expr, env: Env) -> ast.expr:
        """An expression of which only the truth counts."""
        folded = self.expression(node, env)
        if isinstance(folded, ast.UnaryOp) and isinstance(folded.op, ast.Not):
            folded.operand = self.test(folded.operand, env)
        if isinstance(folded, ast.BoolOp):
            # the last value of a chain is no value but a truth, too
            last = folded.values[-1]
            if isinstance(last, ast.Constant):
                if bool(last.value) is isinstance(folded.op, ast.And):
                    folded.values.pop()
                elif all(harmless(each) for each in folded.values):
                    return ast.copy_location(ast.Constant(bool(last.value)), node)
            if len(folded.values) == 1:
                return folded.values[0]
        if isinstance(folded, ast.Constant):
            return ast.copy_location(ast.Constant(bool(folded.value)), node)
        return folded

    def _namedexpr(self, node: ast.NamedExpr, env: Env) -> ast.expr:
        node.value = self.expression(node.value, env)
        known = fact_of(node.value, env)
        assigned(env, node.target.id, known)
        if isinstance(known.node, ast.Constant) or (
            isinstance(known.node, ast.Name) and known.node.id[:2] in _SETTLED
        ):
            # wherever the name is read, this stands in its place
            return node.value
        return node

    def _ifexp(self, node: ast.IfExp, env: Env) -> ast.expr:
        test = self.test(node.test, env)
        if isinstance(test, ast.Constant):
            return self.expression(node.body if test.value else node.orelse, env)
        there, not_there = env.copy(), env.copy()
        refine(there, test, True)
        refine(not_there, test, False)
        node.test = test
        node.body = self.expression(node.body, there)
        node.orelse = self.expression(node.orelse, not_there)
        env.update(joined(there, not_there, self._once))
        if isinstance(node.body, ast.Constant) and same(node.body, node.orelse) and harmless(test):
            return node.body
        return node

    def _boolop(self, node: ast.BoolOp, env: Env) -> ast.expr:
        stops = isinstance(node.op, ast.Or)
        values: list[ast.expr] = []
        inner = env
        for position, each in enumerate(node.values):
            value = self.expression(each, inner)
            # what was bound here, without what the value tells where the next one is looked at
            for name, fact in inner.items():
                if name in self._once:
                    env.setdefault(name, fact)
            last = position == len(node.values) - 1
            if isinstance(value, ast.Constant):
                if bool(value.value) is stops or last:
                    values.append(value)
                    break
                continue
            values.append(value)
            if not last:
                inner = inner.copy()
                refine(inner, value, not stops)
        if len(values) == 1:
            return values[0]
        first = values[0]
        if isinstance(first, ast.Constant):
            return first
        node.values = values
        last_value = values[-1]
        decided = isinstance(last_value, ast.Constant) and last_value.value is stops
        if decided and all(harmless(value) for value in values) and _boolean(values[:-1], env):
            return last_value
        return node

    def _unaryop(self, node: ast.UnaryOp, env: Env) -> ast.expr:
        if not isinstance(node.op, ast.Not):
            return node
        node.operand = self.test(node.operand, env)
        if isinstance(node.operand, ast.Constant):
            return ast.copy_location(ast.Constant(not node.operand.value), node)
        return node

    def _compare(self, node: ast.Compare, env: Env) -> ast.expr:
        node.left = self.expression(node.left, env)
        node.comparators = [self.expression(each, env) for each in node.comparators]
        if len(node.ops) != 1:
            return node
        left, right, operator = node.left, node.comparators[0], node.ops[0]
        told = self._compared(left, operator, right, env)
        return ast.copy_location(ast.Constant(told), node) if told is not None else node

    def _compared(
        self, left: ast.expr, operator: ast.cmpop, right: ast.expr, env: Env
    ) -> bool | None:
        one, other = fact_of(left, env), fact_of(right, env)
        if isinstance(operator, ast.Is | ast.IsNot):
            found = self._identical(left, one, right, other, env)
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
            keys = self._usual.get(right.id)
            if keys is not None and isinstance(left, ast.Constant) and left.value not in keys:
                return isinstance(operator, ast.NotIn)
        return None

    def _identical(
        self, left: ast.expr, one: Fact, right: ast.expr, other: Fact, env: Env
    ) -> bool | None:
        if isinstance(right, ast.Constant) and right.value is None and harmless(left):
            return one.null
        if isinstance(right, ast.Constant) and isinstance(right.value, bool):
            if isinstance(one.node, ast.Constant) and harmless(left):
                return one.node.value is right.value
            return False if one.kind not in (None, "bool") and harmless(left) else None
        if _call(left, "type") and isinstance(right, ast.Name):
            assert isinstance(left, ast.Call)
            kind = fact_of(left.args[0], env).kind
            if kind is not None and harmless(left.args[0]):
                return kind == right.id
        return None

    def _call(self, node: ast.Call, env: Env) -> ast.expr:
        node.args = [self.expression(each, env) for each in node.args]
        func = node.func
        if isinstance(func, ast.Attribute):
            func.value = self.expression(func.value, env)
            return self._method(node, func, env)
        if not isinstance(func, ast.Name):
            return node
        if func.id.startswith("g_") and len(node.args) == 1:
            return self._get(node, env.get(func.id), func.id.removeprefix("g_"))
        if func.id == "isinstance":
            known = fact_of(node.args[0], env)
            wanted = node.args[1]
            if known.kind is not None and harmless(node.args[0]) and isinstance(wanted, ast.Name):
                return ast.copy_location(ast.Constant(known.kind == wanted.id), node)
        return self._evaluated(node, func.id)

    def _get(self, node: ast.Call, getter: Fact | None, var: str) -> ast.expr:
        """A reading of an object by the ``get`` that is bound to it."""
        keys = self._usual.get(var)
        key = node.args[0]
        if keys is not None and isinstance(key, ast.Constant) and key.value not in keys:
            return ast.copy_location(ast.Constant(None), node)
        if getter is not None and _named(getter.node, "_nothing"):
            return ast.copy_location(ast.Constant(None), node)
        return node

    def _lacks(self, value: ast.expr, key: ast.expr) -> bool:
        keys = self._usual.get(value.id) if isinstance(value, ast.Name) else None
        return keys is not None and isinstance(key, ast.Constant) and key.value not in keys

    def _method(self, node: ast.Call, func: ast.Attribute, env: Env) -> ast.expr:
        if func.attr == "get" and len(node.args) == 1 and self._lacks(func.value, node.args[0]):
            return ast.copy_location(ast.Constant(None), node)
        if func.attr == "issuperset" and isinstance(func.value, ast.Name):
            (value,) = node.args
            known = self._names.get(func.value.id)
            keys = self._usual.get(value.id) if isinstance(value, ast.Name) else None
            if keys is not None and known is not None and known >= keys:
                return ast.copy_location(ast.Constant(True), node)
        return node

    def _evaluated(self, node: ast.Call, name: str) -> ast.expr:
        """A call of a pure function with constants for arguments as its result."""
        if name not in _PURE and name[:3] not in ("_f_", "_q_", "_p_"):
            return node
        values = []
        for each in node.args:
            if isinstance(each, ast.Constant):
                values.append(each.value)
            elif isinstance(each, ast.Name) and each.id in self._names:
                values.append(self._names[each.id])
            else:
                return node
        try:
            result = self._names[name](*values)
        except (*EVALUATION_ERRORS, TypeError, ValueError):
            return node
        if result is None or isinstance(result, bool | int | str):
            return ast.copy_location(ast.Constant(result), node)
        return node

    def _lambda(self, node: ast.Lambda, env: Env) -> ast.expr:
        inner = env.copy()
        forget(inner, {each.arg for each in node.args.args})
        node.body = self.expression(node.body, inner)
        return node

    def _listcomp(self, node: ast.ListComp, env: Env) -> ast.expr:
        inner = env
        for each in node.generators:
            each.iter = self.expression(each.iter, inner)
            inner = env.copy()
            forget(inner, stored(each.target))
            ifs: list[ast.expr] = []
            for test in each.ifs:
                folded = self.test(test, inner)
                refine(inner, folded, True)
                if not (isinstance(folded, ast.Constant) and folded.value):
                    ifs.append(folded)
            each.ifs = ifs
        node.elt = self.expression(node.elt, inner)
        return node


def stored(node: ast.AST) -> set[str]:
    """The names that get a value somewhere inside."""
    return {
        each.id
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    }


def harmless(node: ast.expr) -> bool:
    """Whether leaving an expression out changes nothing: it cannot raise, and binds no name."""
    if isinstance(node, ast.Constant | ast.Name):
        return True
    if isinstance(node, ast.Dict):
        return all(harmless(each) for each in (*filter(None, node.keys), *node.values))
    if isinstance(node, ast.List | ast.Tuple):
        return all(harmless(each) for each in node.elts)
    if isinstance(node, ast.BoolOp):
        return all(harmless(each) for each in node.values)
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.Not) and harmless(node.operand)
    if isinstance(node, ast.IfExp):
        return harmless(node.test) and harmless(node.body) and harmless(node.orelse)
    if isinstance(node, ast.Compare):
        quiet = ast.Is | ast.IsNot | ast.Eq | ast.NotEq
        return all(isinstance(each, quiet) for each in node.ops) and all(
            harmless(each) for each in (node.left, *node.comparators)
        )
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        name = node.func.id
        quiet_call = name in ("type", "isinstance") or name.startswith("g_")
        return quiet_call and all(harmless(each) for each in node.args)
    return False


def _boolean(values: list[ast.expr], env: Env) -> bool:
    return all(fact_of(each, env).kind == "bool" for each in values)


def _empty(node: ast.expr) -> bool:
    """Whether a loop over this never runs."""
    if isinstance(node, ast.Call) and _call(node, "enumerate"):
        node = node.args[0]
    return isinstance(node, ast.Tuple | ast.List) and not node.elts


def _call(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Call) and _named(node.func, name)


def _named(node: ast.AST | None, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
