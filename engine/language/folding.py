"""Folding generated code: what is known decides tests, and what they decide is gone.

Works on the Python that :mod:`engine.language.compiler` writes and on nothing else: every name is
local, documents are never changed, and a name made for a value inside an expression (``t12``) is
bound wherever it is read.
"""

from __future__ import annotations

import ast
from collections import Counter

from engine.language.facts import OBJECT, Env, Fact, assigned, fact_of, forget, joined, refine
from engine.language.folding_expressions import Expressions
from engine.language.given import Calls
from engine.language.grounds import Grounds
from engine.language.nodes import (
    alone,
    asks,
    empty,
    harmless,
    is_call,
    is_copy,
    named,
    nowhere,
    stored,
)
from engine.language.statements import copied, names, uses, walk

_ENDS = (ast.Return, ast.Raise, ast.Continue)


def fold(node: ast.FunctionDef, env: Env, grounds: Grounds) -> Calls:
    """Fold a function in place; what it gives to other functions of the program. ``env``: what is
    known of its arguments."""
    inside = walk(node)
    bound = {each.target.id for each in inside if isinstance(each, ast.NamedExpr)}
    counts = Counter(
        each.id
        for each in inside
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store) and each.id in bound
    )
    once = frozenset(name for name in bound if counts[name] == 1)
    expressions = Expressions(grounds, once)
    body = _Statements(grounds, once, expressions).block(node.body, env)
    node.body = body or [ast.copy_location(ast.Pass(), node)]
    return expressions.calls


class _Statements:
    """Folds the statements of one function. ``once``: names inside expressions that are bound at
    one place."""

    def __init__(self, grounds: Grounds, once: frozenset[str], expressions: Expressions) -> None:
        self._grounds = grounds
        self._once = once
        self._expressions = expressions
        # what is known at the ends of both branches of each ``if`` that goes on
        self._ends: dict[int, tuple[Env, Env]] = {}
        self._alive: list[ast.stmt] = []
        # what is known where a round of a loop ends early, of each loop that is tried
        self._rounds: list[list[Env]] = []

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
            node.value = self._expressions.fold(node.value, env)
            if is_call(node.value, "_put") and nowhere(node.value):
                return []
            return [] if harmless(node.value) else [node]
        if isinstance(node, ast.Return):
            node.value = self._expressions.fold(node.value, env) if node.value else None
        elif isinstance(node, ast.Raise):
            node.exc = self._expressions.fold(node.exc, env) if node.exc else None
        elif isinstance(node, ast.AugAssign):
            node.value = self._expressions.fold(node.value, env)
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
            and target.id[2:] in self._grounds.usual
            and uses(node.value, target.id[2:])
        ):
            if target.id[2:4] != "v_":
                assigned(env, target.id[2:], OBJECT)
            return [node]
        node.value = self._expressions.fold(node.value, env)
        if isinstance(target, ast.Name):
            if named(node.value, target.id):
                return []
            known = fact_of(node.value, env)
            assigned(env, target.id, OBJECT if self._grounds.holds_object(node.value) else known)
        elif isinstance(target, ast.Subscript):
            target.slice = self._expressions.fold(target.slice, env)
        else:
            forget(env, stored(target))
        return [node]

    def _if(self, node: ast.If, env: Env) -> list[ast.stmt]:
        test = self._expressions.test(node.test, env)
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
        known = [self._known(node.test, copies, end) for end in ends]
        if known[0] == known[1]:
            return False
        told = [self._told(node.test, copies, end) for end in known]
        parts = [[node] if each is None else node.body if each else node.orelse for each in told]
        if told == [None, None] or told[0] is told[1]:
            return False
        if None in told and parts[1 - told.index(None)]:
            return False
        del out[-1 - len(copies) :]
        for position, (part, end) in enumerate(zip(parts, ends, strict=True)):
            more = self.block([*map(copied, copies), *part], end)
            (before.orelse if position else before.body).extend(more)
        out += self._closed(before, *ends, env)
        return True

    def _known(self, test: ast.expr, copies: list[ast.Assign], end: Env) -> Env:
        """What is known at the end of a branch of what a test and these copies ask for."""
        wanted = {each.id for each in names(test)}
        wanted |= {each.value.id for each in copies if isinstance(each.value, ast.Name)}
        return {name: alone(end[name]) for name in wanted if name in end}

    def _told(self, test: ast.expr, copies: list[ast.Assign], known: Env) -> bool | None:
        """What a test comes to where so much is known and after these copies, if it is decided."""
        for each in copies:
            self._assign(copied(each), known)
        found = self._expressions.test(copied(test), known)
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
        node.iter = self._expressions.fold(node.iter, env)
        if empty(node.iter):
            return []
        changed = stored(node)
        kept = self._kept(node, env, changed)
        forget(env, changed)
        env.update(kept)
        node.body = self.block(node.body, env.copy()) or [ast.copy_location(ast.Pass(), node)]
        return [node]

    def _kept(self, node: ast.For, env: Env, changed: set[str]) -> Env:
        """The kinds of what changes in a loop, where each round leaves them as they were."""
        kept = {
            name: Fact(None, fact.null, fact.kind)
            for name, fact in env.items()
            if name in changed and fact.kind in ("int", "list")
        }
        asked = _asked(node) if kept else set()
        kept = {name: fact for name, fact in kept.items() if name in asked}
        while kept:
            inner = env.copy()
            forget(inner, changed)
            inner.update(kept)
            calls, self._expressions.calls = self._expressions.calls, {}
            self._rounds.append([])
            self.block([copied(each) for each in node.body], inner)
            self._expressions.calls = calls
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


def _asked(node: ast.AST) -> set[str]:
    """The names whose type is asked somewhere inside."""
    return {
        each.args[0].id
        for each in walk(node)
        if isinstance(each, ast.Call) and named(each.func, "type")
        if isinstance(each.args[0], ast.Name)
    }


def _implies(fact: Fact | None, wanted: Fact) -> bool:
    if fact is None or (wanted.null is False and fact.null is not False):
        return False
    return fact.null is True or fact.kind == wanted.kind
