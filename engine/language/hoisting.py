"""Reading each key of a usual object once, where several places of a quick form read it."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping

from engine.language.statements import blocks, names, replaced, restated, target, walk

Usual = Mapping[str, frozenset[str]]


def hoist(function: ast.FunctionDef, usual: Usual) -> frozenset[str]:
    """Keys that are read at several places are read once; the names that they get."""
    late = _late(function, usual)

    def asked(node: ast.AST) -> tuple[str, str] | None:
        read = late.get(id(node)) or reading(node)
        return read if read is not None and read[0] in usual else None

    counts = Counter(read for each in walk(function) if (read := asked(each)) is not None)
    often = {read: f"k_{position}" for position, read in enumerate(counts) if counts[read] > 1}

    def replace(node: ast.expr) -> ast.expr:
        read = asked(node)
        if read is None or read not in often:
            return node
        return ast.copy_location(ast.Name(often[read], ast.Load()), node)

    replaced(function, {ast.Call}, replace)

    reads = _Reads(frozenset(often.values()))
    for body in blocks(function):
        for position in range(len(body) - 1, -1, -1):
            getter = target(body[position]) or ""
            if getter[:2] != "g_":
                continue
            for (name, key), variable in often.items():
                if name == getter[2:]:
                    reads.place(body, position + 1, variable, getter, key)
    return frozenset(often.values())


def reading(node: ast.AST) -> tuple[str, str] | None:
    """The object and the key of ``g_x('key')``."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
        name, key = node.func.id, node.args[0]
        if name[:2] == "g_" and isinstance(key, ast.Constant) and isinstance(key.value, str):
            return name[2:], key.value
    return None


def _late(function: ast.FunctionDef, usual: Usual) -> dict[int, tuple[str, str]]:
    """The nodes ``x.get('key')`` behind the getter of ``x``, with what they read: what looks for
    unread keys reads so."""
    found = {}
    for body in blocks(function):
        before: set[str] = set()
        for statement in body:
            for node in walk(statement) if before else ():
                match node:
                    case ast.Call(
                        ast.Attribute(ast.Name(owner), "get"), [ast.Constant(str(key))]
                    ) if owner in before:
                        found[id(node)] = (owner, key)
            name = target(statement) or ""
            if name[:2] == "g_" and name[2:] in usual:
                before.add(name[2:])
    return found


class _Reads:
    """Puts the reading of keys in place. ``variables``: the names of what is read."""

    def __init__(self, variables: frozenset[str]) -> None:
        self._variables = variables
        # by the identity of a statement or test those that are used in it
        self._used: dict[int, frozenset[str]] = {}

    def place(self, body: list[ast.stmt], start: int, variable: str, getter: str, key: str) -> None:
        """Read a key where all that use it come after, as late as that can be."""
        users = [each for each in body[start:] if self._uses(each, variable)]
        (first, *others) = users
        if not others and isinstance(first, ast.If) and not self._uses(first.test, variable):
            there = any(self._uses(each, variable) for each in first.body)
            if there is not any(self._uses(each, variable) for each in first.orelse):
                inner = first.body if there else first.orelse
                self.place(inner, 0, variable, getter, key)
                return
        call = ast.Call(ast.Name(getter, ast.Load()), [ast.Constant(key)], [])
        read = ast.Assign([ast.Name(variable, ast.Store())], call)
        body.insert(body.index(first), ast.copy_location(read, first))

    def _uses(self, node: ast.stmt | ast.expr, variable: str) -> bool:
        """Whether a variable is used there. A reading is put only where it was used before, so what
        was found of a statement stays so."""
        found = self._used.get(id(node))
        if found is None:
            found = self._variables.intersection(each.id for each in names(node))
            self._used[id(node)] = found
        return variable in found


def same_object(
    function: ast.FunctionDef, usual: Usual, read: frozenset[str]
) -> list[tuple[str, str]]:
    """Usual objects that are another name for what was read once: they are tested where they are
    read, in place, and have that name only. The old names with the new."""
    alias: dict[str, str] = {}
    stores = Counter(each.id for each in names(function) if isinstance(each.ctx, ast.Store))
    for body in blocks(function):
        for statement in body:
            name = target(statement)
            if name is None or name not in usual or not isinstance(statement, ast.Assign):
                continue
            value = statement.value
            if isinstance(value, ast.Name) and value.id in read and stores[name] == 1:
                alias[name] = value.id
    several = Counter(alias.values())
    alias = {name: key for name, key in alias.items() if several[key] == 1}
    for name, key in alias.items():
        _renamed(function, name, key)
    return list(alias.items())


def _renamed(function: ast.FunctionDef, name: str, key: str) -> None:
    def restate(node: ast.stmt) -> list[ast.stmt]:
        if target(node) == name:
            return []
        if target(node) != key:
            return [node]
        text = (
            f"if {key} is not None and (type({key}) is not dict"
            f" or not _usual_{name}.issuperset({key})): raise Unusual"
        )
        (test,) = ast.parse(text).body
        for each in walk(test):
            if hasattr(each, "lineno"):
                ast.copy_location(each, node)
        return [node, test]

    restated(function, restate)
    for each in names(function):
        if each.id == name:
            each.id = key
