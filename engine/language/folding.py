"""Folding generated code: what is known decides tests, and names stand for what they were set to.

Works on the Python that :mod:`engine.language.compiler` writes and on nothing else: every name is
local, documents are never changed, and a name made for a value inside an expression (``t12``) is
bound wherever it is read.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Mapping
from typing import Any

from engine.language.facts import (
    Env,
    Fact,
    assigned,
    either,
    fact_of,
    forget,
    joined,
    refine,
    same,
)
from engine.language.nodes import (
    alone,
    asks,
    empty,
    harmless,
    is_call,
    is_copy,
    looks_into,
    named,
    nowhere,
    stored,
    truth,
    zero_of,
)
from engine.language.runtime import EVALUATION_ERRORS
from engine.language.statements import uses

NONE = ast.Constant(None)
# Helpers that give the same for the same arguments.
_PURE = frozenset(
    "_flatten _each _values _present _index _slice _row _known _text _eq _is_a _among".split()
)
# Names that have one value as long as they are read; states (S…) have as long as an expression is
# looked at.
_SETTLED = frozenset({"v_", "x_", "a_", "k_"})
# Kinds of which no value is a number.
_NO_NUMBERS = frozenset({"list", "dict", "str", "bool"})
_OBJECT = Fact(null=False, kind="dict")
_ENDS = (ast.Return, ast.Raise, ast.Continue)


# What is known of an argument of a call: facts, and the keys that an object has at most.
Given = tuple[Fact, frozenset[str] | None]
# By the name of a function what its calls give it.
Calls = dict[str, list[list[Given]]]


class Folding:
    """Folds the functions of one program. ``names``: its globals. ``usual``: by the name of an
    object the keys that it has at most. ``objects``: what is known to hold an object, as root and
    key. ``lists``: names of lists of objects."""

    def __init__(
        self,
        names: Mapping[str, Any],
        usual: Mapping[str, frozenset[str]],
        objects: frozenset[tuple[str, str]] = frozenset(),
        lists: frozenset[str] = frozenset(),
    ) -> None:
        self._names = names
        self._usual = usual
        self._objects = objects
        self._lists = lists
        # names inside expressions that are bound at one place
        self._once: frozenset[str] = frozenset()
        # calls of functions of the program, by their names
        self.calls: Calls = {}
        # what is known at the ends of both branches of each ``if`` that goes on
        self._ends: dict[int, tuple[Env, Env]] = {}
        self._alive: list[ast.stmt] = []
        # what is known where a round of a loop ends early, of each loop that is tried
        self._rounds: list[list[Env]] = []

    def function(self, node: ast.FunctionDef, env: Env) -> None:
        """Fold a function in place. ``env``: what is known of its arguments."""
        counts = Counter(
            each.id
            for each in ast.walk(node)
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
        )
        inside = {each.target.id for each in ast.walk(node) if isinstance(each, ast.NamedExpr)}
        self._once = frozenset(name for name in inside if counts[name] == 1)
        node.body = self.block(node.body, env) or [ast.copy_location(ast.Pass(), node)]

    # ---------------------------------------------------------------- statements

    def block(self, body: list[ast.stmt], env: Env) -> list[ast.stmt]:
        """The statements folded; ``env`` is changed to what is known after them."""
        out: list[ast.stmt] = []
        for statement in body:
            if isinstance(statement, ast.If) and self._threaded(statement, out, env):
                continue
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
            if is_call(node.value, "_put") and nowhere(node.value):
                return []
            return [] if harmless(node.value) else [node]
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
        elif isinstance(node, ast.Continue) and self._rounds:
            self._rounds[-1].append(env.copy())
        return [node]

    def _assign(self, node: ast.Assign, env: Env) -> list[ast.stmt]:
        (target,) = node.targets
        if (
            isinstance(target, ast.Name)
            and target.id[:2] == "g_"
            and target.id[2:] in self._usual
            and uses(node.value, target.id[2:])
        ):
            if target.id[2:4] != "v_":
                assigned(env, target.id[2:], Fact(None, False, "dict"))
            return [node]
        node.value = self.expression(node.value, env)
        if isinstance(target, ast.Name):
            if named(node.value, target.id):
                return []
            known = fact_of(node.value, env)
            assigned(env, target.id, _OBJECT if self._object(node.value) else known)
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
        node.test = test
        node.body = self.block(node.body, there)
        node.orelse = self.block(node.orelse, not_there)
        return self._closed(node, there, not_there, env)

    def _threaded(self, node: ast.If, out: list[ast.stmt], env: Env) -> bool:
        """Move what hangs on a test into the branches of the ``if`` before, where these decide it
        and nothing has to be written twice; whether that was so."""
        copies: list[ast.Assign] = []
        for each in reversed(out):
            if not is_copy(each):
                break
            assert isinstance(each, ast.Assign)
            copies.insert(0, each)
        before = out[-1 - len(copies)] if len(copies) < len(out) else None
        ends = self._ends.get(id(before))
        if ends is None or not asks(node.test):
            return False
        assert isinstance(before, ast.If)
        told = [self._told(node.test, copies, end) for end in ends]
        parts = [[node] if each is None else node.body if each else node.orelse for each in told]
        if told == [None, None] or told[0] is told[1]:
            return False
        if None in told and parts[1 - told.index(None)]:
            return False
        del out[-1 - len(copies) :]
        for position, (part, end) in enumerate(zip(parts, ends, strict=True)):
            more = self.block([*copy.deepcopy(copies), *part], end)
            (before.orelse if position else before.body).extend(more)
        out += self._closed(before, *ends, env)
        return True

    def _told(self, test: ast.expr, copies: list[ast.Assign], end: Env) -> bool | None:
        """What a test comes to at the end of a branch and after these copies, if that is known."""
        wanted = {each.id for each in ast.walk(test) if isinstance(each, ast.Name)}
        wanted |= {each.value.id for each in copies if isinstance(each.value, ast.Name)}
        env = {name: alone(end[name]) for name in wanted if name in end}
        for each in copies:
            self._assign(copy.deepcopy(each), env)
        found = self.test(copy.deepcopy(test), env)
        return bool(found.value) if isinstance(found, ast.Constant) else None

    def _closed(self, node: ast.If, there: Env, not_there: Env, env: Env) -> list[ast.stmt]:
        """An ``if`` whose branches are folded; ``env`` is changed to what is known after it."""
        body, other = node.body, node.orelse
        ended = bool(body) and isinstance(body[-1], _ENDS)
        ended_too = bool(other) and isinstance(other[-1], _ENDS)
        after = not_there if ended else there if ended_too else joined(there, not_there, self._once)
        env.clear()
        env.update(after)
        if not body and not other:
            test = node.test
            return [] if harmless(test) else [ast.copy_location(ast.Expr(test), node)]
        if not ended and not ended_too:
            self._ends[id(node)] = (there, not_there)
            self._alive.append(node)
        if not body:
            node.test = ast.copy_location(ast.UnaryOp(ast.Not(), node.test), node)
            node.body, node.orelse = other, []
            if id(node) in self._ends:
                self._ends[id(node)] = (not_there, there)
        return [node]

    def _for(self, node: ast.For, env: Env) -> list[ast.stmt]:
        node.iter = self.expression(node.iter, env)
        if empty(node.iter):
            return []
        kept = self._kept(node, env)
        forget(env, stored(node))
        env.update(kept)
        node.body = self.block(node.body, env.copy()) or [ast.copy_location(ast.Pass(), node)]
        return [node]

    def _kept(self, node: ast.For, env: Env) -> Env:
        """The kinds of what changes in a loop, where each round leaves them as they were."""
        changed = stored(node)
        asked = _asked(node)
        kept = {
            name: Fact(None, fact.null, fact.kind)
            for name, fact in env.items()
            if name in changed and name in asked and fact.kind in ("int", "list")
        }
        while kept:
            inner = env.copy()
            forget(inner, changed)
            inner.update(kept)
            calls, self.calls = self.calls, {}
            self._rounds.append([])
            self.block(copy.deepcopy(node.body), inner)
            self.calls = calls
            ends = [*self._rounds.pop(), inner]
            after = {
                name: fact
                for name, fact in kept.items()
                if all(_implies(end.get(name), fact) for end in ends)
            }
            if len(after) == len(kept):
                break
            kept = after
        return kept

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
        folded = truth(self.expression(node, env))
        if isinstance(folded, ast.Constant):
            return ast.copy_location(ast.Constant(bool(folded.value)), node)
        return folded

    def _namedexpr(self, node: ast.NamedExpr, env: Env) -> ast.expr:
        node.value = self.expression(node.value, env)
        known = fact_of(node.value, env)
        assigned(env, node.target.id, known)
        if isinstance(known.node, ast.Constant) or (
            isinstance(known.node, ast.Name)
            and (known.node.id[:2] in _SETTLED or known.node.id[:1] == "S")
        ):
            # wherever the name is read, this stands in its place
            return node.value
        return node

    def _of_objects(self, node: ast.expr) -> bool:
        """Whether this is a list of whose elements it is asked elsewhere whether they are objects:
        what takes them for objects fails where they are not, and that ends the quick form."""
        return isinstance(node, ast.Name) and node.id in self._lists

    def _object(self, node: ast.expr) -> bool:
        """Whether this is a place of which it is known that it holds an object."""
        match node:
            case ast.Subscript(ast.Name(root), ast.Constant(str(key))):
                return (root, key) in self._objects
        return False

    def _element(self, node: ast.expr) -> bool:
        """Whether this is an element of a list of objects, or nothing."""
        match node:
            case ast.IfExp(_, ast.Subscript(value), ast.Constant(None)):
                return self._of_objects(value)
        return False

    def _ifexp(self, node: ast.IfExp, env: Env) -> ast.expr:
        match node.test:
            case ast.Compare(
                ast.Call(ast.Name("type"), [ast.NamedExpr(ast.Name(name), value)]),
                [ast.Is()],
                [ast.Name("dict")],
            ) if self._object(value) and name in self._once:
                assigned(env, name, Fact(value, False, "dict"))
                return self.expression(node.body, env)
            case ast.Compare(
                ast.Call(ast.Name("type"), [ast.NamedExpr(_, value) as named]),
                [ast.Is()],
                [ast.Name("dict")],
            ) if self._element(value):
                none = ast.copy_location(ast.Constant(None), node)
                node.test = ast.Compare(named, [ast.IsNot()], [none])
                ast.copy_location(node.test, node)
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
        zero = zero_of(node)
        if zero is not None and fact_of(zero, env).kind in _NO_NUMBERS:
            return ast.copy_location(ast.Constant(False), node)
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
        if isinstance(operator, ast.Is) and is_call(left, "type") and isinstance(right, ast.Name):
            assert isinstance(left, ast.Call)
            return self._of_kind(node, left.args[0], right.id, env)
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
        if is_call(left, "type") and isinstance(right, ast.Name):
            # what is asked with "is not" ends the quick form
            assert isinstance(left, ast.Call)
            known = fact_of(left.args[0], env)
            if known.null is False and known.kind is not None and harmless(left.args[0]):
                return known.kind == right.id
        return None

    def _of_kind(self, node: ast.expr, value: ast.expr, wanted: str, env: Env) -> ast.expr:
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
            wanted = node.args[1]
            if isinstance(wanted, ast.Name):
                return self._of_kind(node, node.args[0], wanted.id, env)
        if func.id[:2] == "f_":
            self._called(func.id, node.args, env)
        return self._evaluated(node, func.id)

    def _called(self, name: str, arguments: list[ast.expr], env: Env) -> None:
        """Remember what a function of the program is given."""
        given: list[Given] = []
        for each in arguments:
            known = fact_of(each, env)
            tested = isinstance(each, ast.Name) and each.id[:2] in ("x_", "a_")
            keys = self._usual.get(each.id) if isinstance(each, ast.Name) and tested else None
            # names of the caller mean nothing there
            given.append((Fact(None, known.null, known.kind), keys))
        self.calls.setdefault(name, []).append(given)

    def _get(self, node: ast.Call, getter: Fact | None, var: str) -> ast.expr:
        """A reading of an object by the ``get`` that is bound to it."""
        keys = self._usual.get(var)
        key = node.args[0]
        if keys is not None and isinstance(key, ast.Constant) and key.value not in keys:
            return ast.copy_location(ast.Constant(None), node)
        if getter is not None and named(getter.node, "_nothing"):
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
            if isinstance(each.target, ast.Name) and looks_into(node, each.target.id):
                # where an element is none the look into it fails, and that ends the quick form
                inner[each.target.id] = _OBJECT
            ifs: list[ast.expr] = []
            for test in each.ifs:
                folded = self.test(test, inner)
                refine(inner, folded, True)
                if not (isinstance(folded, ast.Constant) and folded.value):
                    ifs.append(folded)
            each.ifs = ifs
        node.elt = self.expression(node.elt, inner)
        return node


def _asked(node: ast.AST) -> set[str]:
    """The names whose type is asked somewhere inside."""
    return {
        each.args[0].id
        for each in ast.walk(node)
        if isinstance(each, ast.Call) and named(each.func, "type")
        if isinstance(each.args[0], ast.Name)
    }


def _implies(fact: Fact | None, wanted: Fact) -> bool:
    if fact is None or (wanted.null is False and fact.null is not False):
        return False
    return fact.null is True or fact.kind == wanted.kind


def joined_calls(calls: list[list[Given]]) -> list[Given]:
    """What is known of the arguments in all of these calls of one function: of keys, where one of
    them tells."""
    if not calls:
        return []
    found = calls[0]
    for more in calls[1:]:
        found = [
            (either(one, other), keys or keys_too if not keys or keys == keys_too else None)
            for (one, keys), (other, keys_too) in zip(found, more, strict=True)
        ]
    return found


def _boolean(values: list[ast.expr], env: Env) -> bool:
    facts = [fact_of(each, env) for each in values]
    return all(each.kind == "bool" and each.null is False for each in facts)
