"""What comes out the same in every round of a loop is found before it.

Formulas in loops ask again and again for what depends on no element: limits of a model, an option,
what was chosen for the whole document. They cannot fail and change nothing, so it makes no
difference when they are asked.
"""

from __future__ import annotations

import ast
import itertools
from collections import Counter

from engine.language.statements import bodies, names, walk

# Names with one value from where they are set, and the parameters of a section.
_SETTLED = frozenset({"v_", "k_", "a_"})
# Of how many nodes a formula is made that is worth a name; in how many tests it may stand.
_WORTH = 9
_DEEP = 1
_CHANGING = frozenset({"append", "extend", "update"})


def hoist_invariants(function: ast.FunctionDef) -> None:
    """Move them before the outermost loop, in place."""
    heads = {each.arg for each in function.args.args}
    # of names that are bound inside expressions, this stays so whatever is moved
    uses = Counter(each.id for each in names(function))
    _hoist(function, heads, uses, itertools.count())


def _hoist(
    node: ast.AST, heads: set[str], uses: Counter[str], numbers: itertools.count[int]
) -> None:
    for body in bodies(node):
        position = 0
        while position < len(body):
            statement = body[position]
            if isinstance(statement, ast.For):
                found = _Invariants(statement, heads, uses, numbers)
                found.take()
                body[position:position] = found.before
                position += len(found.before)
            else:
                _hoist(statement, heads, uses, numbers)
            position += 1


class _Invariants:
    def __init__(
        self,
        loop: ast.For,
        heads: set[str],
        uses: Counter[str],
        numbers: itertools.count[int],
    ) -> None:
        self.before: list[ast.stmt] = []
        self._loop = loop
        self._numbers = numbers
        self._heads = heads
        self._changed = _changed(loop)
        self._uses = uses
        self._made: dict[str, str] = {}

    def take(self) -> None:
        """Take them out of the loop."""
        for body in bodies(self._loop):
            for statement in body:
                self._statement(statement, 0)

    def _statement(self, node: ast.stmt, depth: int) -> None:
        """Take them out of what most rounds come to."""
        for field, value in ast.iter_fields(node):
            if isinstance(value, ast.expr) and not isinstance(node, ast.Raise):
                setattr(node, field, self._expression(value))
        if not isinstance(node, ast.If):
            return
        for statement in node.body if depth < _DEEP else ():
            self._statement(statement, depth + 1)
        for statement in node.orelse:
            # the next case stands as deep as this one
            self._statement(statement, depth if isinstance(statement, ast.If) else depth + 1)

    def _expression(self, node: ast.expr) -> ast.expr:
        """The expression, or the name of what it comes to."""
        if isinstance(node, ast.Constant | ast.Name | ast.Lambda | ast.ListComp):
            return node
        if self._settled(node):
            return self._named(node)
        for field, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                setattr(node, field, self._expression(value))
            elif isinstance(value, list):
                found = [self._expression(e) if isinstance(e, ast.expr) else e for e in value]
                setattr(node, field, found)
        return node

    def _named(self, node: ast.expr) -> ast.expr:
        text = ast.unparse(node)
        name = self._made.get(text)
        if name is None:
            name = self._made[text] = f"h_{next(self._numbers)}"
            made = ast.Assign([ast.Name(name, ast.Store())], node)
            self.before.append(ast.copy_location(made, self._loop))
        return ast.copy_location(ast.Name(name, ast.Load()), node)

    def _settled(self, node: ast.expr) -> bool:
        """Whether this is worth a name, comes to the same in each round, and cannot fail."""
        inside = list(ast.walk(node))
        if len(inside) < _WORTH:
            return False
        own = Counter(each.id for each in inside if isinstance(each, ast.Name))
        bound = {each.target.id for each in inside if isinstance(each, ast.NamedExpr)}
        if any(own[name] != self._uses[name] for name in bound):
            return False
        return self._sure(node, bound)

    def _sure(self, node: ast.expr, bound: set[str], asked: bool = False) -> bool:
        """``asked``: a test stands before it, of what it takes for an object."""
        match node:
            case ast.Constant():
                return True
            case ast.Name(name):
                if name in bound:
                    return True
                return name not in self._changed and (
                    name[:2] in _SETTLED or name in self._heads or name == "_nothing"
                )
            case ast.NamedExpr(_, value):
                return self._sure(value, bound)
            case ast.BoolOp(_, values):
                return all(self._sure(each, bound, True) for each in values)
            case ast.UnaryOp(ast.Not(), operand):
                return self._sure(operand, bound, asked)
            case ast.IfExp(test, body, orelse):
                return all(self._sure(each, bound, True) for each in (test, body, orelse))
            case ast.Compare(left, [ast.Is() | ast.IsNot()], [ast.Name()]):
                return self._sure(left, bound, asked)
            case ast.Compare(
                left, [ast.Is() | ast.IsNot() | ast.Eq() | ast.NotEq()], [ast.Constant() as right]
            ):
                return self._sure(left, bound, asked) and self._sure(right, bound)
            case ast.Call(ast.Name("type"), [value]):
                return self._sure(value, bound)
            case ast.Call(ast.Attribute(value, "get"), [ast.Constant()]):
                named = asked and isinstance(value, ast.Name) and self._sure(value, bound)
                return named or self._held(value)
        return self._held(node)

    def _held(self, node: ast.expr) -> bool:
        """Whether this is a key of a root, which is always there."""
        match node:
            case ast.Subscript(ast.Name(name), ast.Constant(str())):
                return name in self._heads
        return False


def _changed(loop: ast.For) -> set[str]:
    """The names that get another value in a loop, or of which the value is changed."""
    found = set()
    for node in walk(loop):
        match node:
            case ast.Name(name, ast.Store()):
                found.add(name)
            case ast.Subscript(ast.Name(name), _, ast.Store()):
                found.add(name)
            case ast.Attribute(ast.Name(name), word) if word in _CHANGING:
                found.add(name)
            case ast.Call(ast.Name(word), [ast.Name(name), *_]) if word[:1] == "_":
                found.add(name)
    return found
