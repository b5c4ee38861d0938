"""Folding expressions of generated code: what is known decides tests, and names stand for what
they were set to."""

from __future__ import annotations

import ast

from engine.language.deciding import compared, of_kind
from engine.language.facts import OBJECT, Env, Fact, assigned, fact_of, forget, joined, refine, same
from engine.language.given import Calls, given_by
from engine.language.grounds import Grounds
from engine.language.nodes import harmless, looks_into, named, stored, truth, zero_of
from engine.language.runtime import EVALUATION_ERRORS

# Helpers that give the same for the same arguments.
_PURE = frozenset(
    "_flatten _each _values _present _index _slice _row _known _text _eq _is_a _among"
    " _lt _lte _gt _gte".split()
)
# Names that have one value as long as they are read; states (S…) have as long as an expression is
# looked at.
_SETTLED = frozenset({"v_", "x_", "a_", "k_"})
# Kinds of which no value is a number.
_NO_NUMBERS = frozenset({"list", "dict", "str", "bool"})


class Expressions:
    """Folds the expressions of one function. ``once``: names inside expressions that are bound at
    one place."""

    def __init__(self, grounds: Grounds, once: frozenset[str]) -> None:
        self._grounds = grounds
        self._once = once
        # calls of functions of the program, by their names
        self.calls: Calls = {}

    def fold(self, node: ast.expr, env: Env) -> ast.expr:
        """An expression folded; names bound inside it are known afterwards."""
        if isinstance(node, ast.Constant):
            return node
        if isinstance(node, ast.Name):
            known = env.get(node.id)
            if known is not None and known.node is not None and node.id not in self._grounds.usual:
                return known.node
            return node
        special = getattr(self, "_" + type(node).__name__.lower(), None)
        if special is not None:
            folded: ast.expr = special(node, env)
            return folded
        for field, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                setattr(node, field, self.fold(value, env))
            elif isinstance(value, list):
                items = [self.fold(v, env) if isinstance(v, ast.expr) else v for v in value]
                setattr(node, field, items)
        return node

    def test(self, node: ast.expr, env: Env) -> ast.expr:
        """An expression of which only the truth counts."""
        folded = truth(self.fold(node, env))
        if isinstance(folded, ast.Constant):
            return ast.copy_location(ast.Constant(bool(folded.value)), node)
        return folded

    def _namedexpr(self, node: ast.NamedExpr, env: Env) -> ast.expr:
        node.value = self.fold(node.value, env)
        known = fact_of(node.value, env)
        assigned(env, node.target.id, known)
        if isinstance(known.node, ast.Constant) or (
            isinstance(known.node, ast.Name)
            and (known.node.id[:2] in _SETTLED or known.node.id[:1] == "S")
        ):
            # wherever the name is read, this stands in its place
            return node.value
        return node

    def _ifexp(self, node: ast.IfExp, env: Env) -> ast.expr:
        match node.test:
            case ast.Compare(
                ast.Call(ast.Name("type"), [ast.NamedExpr(ast.Name(name), value)]),
                [ast.Is()],
                [ast.Name("dict")],
            ) if self._grounds.holds_object(value) and name in self._once:
                assigned(env, name, Fact(value, False, "dict"))
                return self.fold(node.body, env)
            case ast.Compare(
                ast.Call(ast.Name("type"), [ast.NamedExpr(_, value) as named]),
                [ast.Is()],
                [ast.Name("dict")],
            ) if self._grounds.is_element(value):
                none = ast.copy_location(ast.Constant(None), node)
                node.test = ast.Compare(named, [ast.IsNot()], [none])
                ast.copy_location(node.test, node)
        test = self.test(node.test, env)
        if isinstance(test, ast.Constant):
            return self.fold(node.body if test.value else node.orelse, env)
        there, not_there = env.copy(), env.copy()
        refine(there, test, True)
        refine(not_there, test, False)
        node.test = test
        node.body = self.fold(node.body, there)
        node.orelse = self.fold(node.orelse, not_there)
        env.update(joined(there, not_there, self._once))
        if isinstance(node.body, ast.Constant) and same(node.body, node.orelse) and harmless(test):
            return node.body
        return node

    def _boolop(self, node: ast.BoolOp, env: Env) -> ast.expr:
        zero = zero_of(node)
        if zero is not None and fact_of(zero, env).kind in _NO_NUMBERS:
            return ast.copy_location(ast.Constant(False), node)
        stops = isinstance(node.op, ast.Or)
        values: list[ast.expr] = []
        inner = env
        for position, each in enumerate(node.values):
            value = self.fold(each, inner)
            # what was bound here, without what the value tells where the next one is looked at
            if inner is not env:
                for name in inner.keys() - env.keys() & self._once:
                    env[name] = inner[name]
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
        node.left = self.fold(node.left, env)
        node.comparators = [self.fold(each, env) for each in node.comparators]
        return compared(node, env, self._grounds.usual)

    def _call(self, node: ast.Call, env: Env) -> ast.expr:
        node.args = [self.fold(each, env) for each in node.args]
        func = node.func
        if isinstance(func, ast.Attribute):
            func.value = self.fold(func.value, env)
            return self._method(node, func, env)
        if not isinstance(func, ast.Name):
            return node
        if func.id.startswith("g_") and len(node.args) == 1:
            return self._get(node, env.get(func.id), func.id.removeprefix("g_"))
        if func.id == "isinstance":
            wanted = node.args[1]
            if isinstance(wanted, ast.Name):
                return of_kind(node, node.args[0], wanted.id, env)
        if func.id[:2] == "f_":
            given = given_by(node.args, env, self._grounds.usual)
            self.calls.setdefault(func.id, []).append(given)
        return self._evaluated(node, func.id)

    def _get(self, node: ast.Call, getter: Fact | None, var: str) -> ast.expr:
        """A reading of an object by the ``get`` that is bound to it."""
        keys = self._grounds.usual.get(var)
        key = node.args[0]
        if keys is not None and isinstance(key, ast.Constant) and key.value not in keys:
            return ast.copy_location(ast.Constant(None), node)
        if getter is not None and named(getter.node, "_nothing"):
            return ast.copy_location(ast.Constant(None), node)
        return node

    def _method(self, node: ast.Call, func: ast.Attribute, env: Env) -> ast.expr:
        if (
            func.attr == "get"
            and len(node.args) == 1
            and self._grounds.lacks(func.value, node.args[0])
        ):
            return ast.copy_location(ast.Constant(None), node)
        if func.attr == "issuperset" and isinstance(func.value, ast.Name):
            (value,) = node.args
            known = self._grounds.names.get(func.value.id)
            keys = self._grounds.usual.get(value.id) if isinstance(value, ast.Name) else None
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
            elif isinstance(each, ast.Name) and each.id in self._grounds.names:
                values.append(self._grounds.names[each.id])
            else:
                return node
        try:
            result = self._grounds.names[name](*values)
        except (*EVALUATION_ERRORS, TypeError, ValueError):
            return node
        if result is None or isinstance(result, bool | int | str):
            return ast.copy_location(ast.Constant(result), node)
        return node

    def _lambda(self, node: ast.Lambda, env: Env) -> ast.expr:
        inner = env.copy()
        forget(inner, {each.arg for each in node.args.args})
        node.body = self.fold(node.body, inner)
        return node

    def _listcomp(self, node: ast.ListComp, env: Env) -> ast.expr:
        inner = env
        for each in node.generators:
            each.iter = self.fold(each.iter, inner)
            inner = env.copy()
            forget(inner, stored(each.target))
            if isinstance(each.target, ast.Name) and looks_into(node, each.target.id):
                # where an element is none the look into it fails, and that ends the quick form
                inner[each.target.id] = OBJECT
            ifs: list[ast.expr] = []
            for test in each.ifs:
                folded = self.test(test, inner)
                refine(inner, folded, True)
                if not (isinstance(folded, ast.Constant) and folded.value):
                    ifs.append(folded)
            each.ifs = ifs
        node.elt = self.fold(node.elt, inner)
        return node


def _boolean(values: list[ast.expr], env: Env) -> bool:
    facts = [fact_of(each, env) for each in values]
    return all(each.kind == "bool" and each.null is False for each in facts)
