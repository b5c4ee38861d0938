"""Rules of streams that leave everything as it is: what of an event they look at.

Most events of a stream are one more piece of a text. The rule that takes such an event keeps
nothing and copies the text, so the next one goes the same way, whatever its words. That is read
from the generated code. A rule is *steady* when nothing that runs for its event, from the choice of
the rule to its last line, writes to the state or counts events. Of the event it is known which
paths decide something; a text at any other path is copied at most. What this does not understand
decides.

A text stands for any that is not empty: that it is there, a text and not empty decides nothing.
Losses are left out: who relies on this sees to it that there was none.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.language.events import EMITTED, Path
from engine.language.statements import walk

# What a handler returns for a rule: its number. True (1) stands for rules that change something.
FIRST = 2

# The steady rules of a half by their numbers, as plain data: the parts of what each looks at.
Table = dict[int, tuple[frozenset[Path], frozenset[Path], frozenset[Path]]]


@dataclass(frozen=True, slots=True)
class _Value:
    """Where in the event a value may come from, and what it may hold of the event."""

    paths: frozenset[Path] = frozenset()
    holds: frozenset[Path] = frozenset()

    def __or__(self, other: _Value) -> _Value:
        return _Value(self.paths | other.paths, self.holds | other.holds)


_OTHER = _Value()


def steady_rules(source: str) -> Table:
    """The steady rules in the generated code of a half."""
    functions = [each for each in ast.parse(source).body if isinstance(each, ast.FunctionDef)]
    step = next(each for each in functions if each.name == "step")
    heads = [each.arg for each in step.args.args]
    first = _Walk({heads[0]: _Value(frozenset({()}))})
    for statement in step.body:
        if _target(statement) == "number":
            break
        first.statement(statement)
    found: Table = {}
    for function in functions:
        if function.name[:2] == "on":
            found |= first.branch().handler(function.body)
    return found


@dataclass
class _Walk:
    """Follows the event's paths through statements. ``getters``: bound ``get`` methods by name."""

    env: dict[str, _Value]
    getters: dict[str, _Value] = field(default_factory=dict)
    itself: set[Path] = field(default_factory=set)
    whole: set[Path] = field(default_factory=set)
    read: set[Path] = field(default_factory=set)
    # names of objects and lists that were made on the way
    made: set[str] = field(default_factory=lambda: {"out"})
    steady: bool = True

    def branch(self) -> _Walk:
        """The same so far, to be followed another way."""
        names = (dict(self.env), dict(self.getters))
        return _Walk(
            *names, set(self.itself), set(self.whole), set(self.read), set(self.made), self.steady
        )

    def handler(self, body: list[ast.stmt]) -> Table:
        """The steady rules of one handler, in their order."""
        found: Table = {}
        for statement in body:
            if not isinstance(statement, ast.If):
                self.statement(statement)
            elif (number := _number(statement.body[-1])) is not None:
                self.value(statement.test)
                rule = self.branch()
                rule.statements(statement.body[:-1])
                if rule.steady:
                    whole, read = frozenset(rule.whole), frozenset(rule.read)
                    found[number] = (frozenset(rule.itself), whole, read)
            elif any(_target(each) == "taken" for each in statement.body):
                # where this one ran, no later one counts as steady
                self.value(statement.test)
            else:
                self.statement(statement)
        return found

    def statements(self, body: list[ast.stmt]) -> None:
        for each in body:
            self.statement(each)

    def statement(self, node: ast.stmt) -> None:
        """What a statement reads, keeps and changes."""
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            self._assign(node.targets[0], node.value)
        elif isinstance(node, ast.Expr):
            self.value(node.value)
        elif isinstance(node, ast.If) and not _only_tells(node):
            self.value(node.test)
            self.statements(node.body)
            self.statements(node.orelse)
        elif isinstance(node, ast.Return) and node.value is not None:
            self.value(node.value)
        elif not isinstance(node, ast.Pass | ast.Return | ast.If):
            self.steady = False

    def _assign(self, target: ast.expr, given: ast.expr) -> None:
        if isinstance(target, ast.Name) and _bound(given) is not None:
            self.getters[target.id] = self.value(_bound(given))
            return
        value = self.value(given)
        if isinstance(target, ast.Name):
            if isinstance(given, ast.Dict | ast.List):
                self.made.add(target.id)
            self.env[target.id] = self.env.get(target.id, _OTHER) | value
        elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            name = target.value.id
            self._decides(self.value(target.slice))
            self._holds(name, value)
        else:
            self.steady = False

    def _holds(self, name: str, value: _Value) -> None:
        """A value is put into what has this name; only what was made here is nobody else's."""
        self.steady = self.steady and name in self.made
        held = _Value(holds=value.paths | value.holds)
        self.env[name] = self.env.get(name, _OTHER) | held

    # -- expressions

    def value(self, node: ast.expr | None) -> _Value:
        """Where an expression's value comes from; what decides it is noted."""
        value = self._value(node) if node is not None else _OTHER
        self.read |= value.paths
        return value

    def _value(self, node: ast.expr) -> _Value:
        if isinstance(node, ast.Constant):
            return _OTHER
        if isinstance(node, ast.Name):
            return self.env.get(node.id, _OTHER)
        if isinstance(node, ast.NamedExpr):
            value = self.value(node.value)
            self.env[node.target.id] = self.env.get(node.target.id, _OTHER) | value
            return value
        if isinstance(node, ast.IfExp):
            self.value(node.test)
            return self.value(node.body) | self.value(node.orelse)
        if isinstance(node, ast.BoolOp):
            return self._any(node.values)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            self.value(node.operand)
            return _OTHER
        if isinstance(node, ast.Dict):
            found = self._any([each for each in (*node.keys, *node.values) if each is not None])
            return _Value(holds=found.paths | found.holds)
        if isinstance(node, ast.List | ast.Tuple):
            found = self._any(node.elts)
            return _Value(holds=found.paths | found.holds)
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            self._compared(node.left, node.ops[0], node.comparators[0])
            return _OTHER
        if isinstance(node, ast.Subscript):
            return self._item(node)
        if isinstance(node, ast.Call):
            return self._called(node)
        self._unknown(node)
        return _OTHER

    def _any(self, nodes: list[ast.expr]) -> _Value:
        value = _OTHER
        for each in nodes:
            value |= self.value(each)
        return value

    def _compared(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> None:
        one, other = self.value(left), self.value(right)
        if isinstance(operator, ast.Is | ast.IsNot) and not other.paths | other.holds:
            return
        if isinstance(operator, ast.Eq | ast.NotEq | ast.In) and _says_nothing(right):
            return
        if isinstance(operator, ast.Eq | ast.NotEq) and isinstance(right, ast.Constant):
            self.itself |= one.paths
        else:
            self._decides(one)
        self._decides(other)

    def _item(self, node: ast.Subscript) -> _Value:
        if _named(node.value, "S"):
            key = node.slice
            if not isinstance(key, ast.Constant) or key.value == EMITTED:
                self.steady = False
            return _OTHER
        if isinstance(node.value, ast.Tuple):
            return self._any(node.value.elts)
        value = self.value(node.value)
        if isinstance(node.slice, ast.Constant):
            return self._child(value, node.slice.value)
        self._decides(value | self.value(node.slice))
        return _OTHER

    def _child(self, value: _Value, key: object) -> _Value:
        if not isinstance(key, str | int) or value.holds:
            self._decides(value)
            return _OTHER
        child = _Value(frozenset((*path, key) for path in value.paths))
        self.read |= child.paths
        return child

    def _called(self, node: ast.Call) -> _Value:
        function, args = node.func, node.args
        key = args[0] if len(args) == 1 and isinstance(args[0], ast.Constant) else None
        if isinstance(function, ast.Name):
            if function.id in self.getters and key is not None:
                return self._child(self.getters[function.id], key.value)
            if function.id in ("type", "isinstance"):
                self._any(args)
                return _OTHER
            if function.id == "_extend" and isinstance(args[0], ast.Name):
                value = self._any(args[1:])
                self.whole |= value.paths  # a list there is several elements
                self._holds(args[0].id, value)
                return _OTHER
            if function.id == "len" and len(args) == 1:
                self.itself |= self.value(args[0]).paths
                return _OTHER
            self.steady = self.steady and function.id != "step"
        elif isinstance(function, ast.Attribute):
            if function.attr == "get" and key is not None:
                return self._child(self.value(function.value), key.value)
            owner = function.value.id if isinstance(function.value, ast.Name) else ""
            if owner == "L":
                return _OTHER
            if function.attr == "append" and owner:
                self._holds(owner, self._any(args))
                return _OTHER
            if function.attr == "issuperset" and len(args) == 1:
                self.itself |= self.value(args[0]).paths
                return _OTHER
        self._unknown(node)
        return _OTHER

    def _unknown(self, node: ast.expr) -> None:
        """All that is named in there decides, and may change what it is given."""
        known: set[ast.AST] = set()
        for each in walk(node):
            if isinstance(each, ast.NamedExpr):
                self.value(each)
            elif isinstance(each, ast.Subscript) and _named(each.value, "S"):
                self.value(each)
                known.add(each.value)
        for each in walk(node):
            if isinstance(each, ast.Name) and each not in known:
                self.steady = self.steady and each.id not in ("S", "L", "out")
                self._decides(self.env.get(each.id, _OTHER))
                self._decides(self.getters.get(each.id, _OTHER))

    def _decides(self, value: _Value) -> None:
        self.whole |= value.paths | value.holds


def _says_nothing(node: ast.expr) -> bool:
    """Whether a text that is not empty is never equal to this, or in it."""
    if isinstance(node, ast.Constant):
        return not isinstance(node.value, str) or node.value == ""
    if isinstance(node, ast.Tuple | ast.List):
        return all(_says_nothing(each) for each in node.elts)
    return isinstance(node, ast.Dict) and not node.keys


def _only_tells(node: ast.If) -> bool:
    """Whether this is the check for what no rule reads: which keys there are, not which texts."""
    calls = [each.value for each in node.body if isinstance(each, ast.Expr)]
    return len(calls) == len(node.body) and all(
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "unread"
        and _named(call.func.value, "L")
        for call in calls
    )


def _named(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _bound(node: ast.expr) -> ast.expr | None:
    """The object whose getter this is: ``x.get if type(x) is dict else _nothing``."""
    inner = node.body if isinstance(node, ast.IfExp) else node
    if isinstance(inner, ast.Attribute) and inner.attr == "get":
        return inner.value
    return None


def _number(node: ast.stmt) -> int | None:
    """The number of the rule that ends here."""
    if not isinstance(node, ast.Return):
        return None
    for each in _constants(node):
        if type(each) is int and each >= FIRST:
            return each
    return None


def _constants(node: ast.AST) -> Iterator[object]:
    return (each.value for each in walk(node) if isinstance(each, ast.Constant))


def _target(node: ast.stmt) -> str | None:
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return None
