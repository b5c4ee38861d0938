"""The directives that choose: ``$switch``, ``$first``, ``$lookup``."""

from __future__ import annotations

from typing import Any

from engine.language.compiler import Compiler
from engine.language.results import NOTHING, Val, scalar_text
from engine.language.scope import Scope
from engine.language.source import Map, Node, Scalar, Seq, plain, suggest


def switch(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$switch``: one case by value."""
    mark = len(compiler.expr.notes)
    code = compiler.expression(node.get("$switch"), scope)
    value, result = compiler.expr.temp(), compiler.expr.temp("r")
    switch = next(compiler.switches)
    # named cases have read the value; what falls to $else has not, so that $rest keeps it there
    compiler.out.add(f"{value} = {compiler.expr.take(code, scope.case(switch, -1))}")
    compiler.note(node.pos, "map", mark)
    compiler.out.add(f"{result} = None")
    compiler.covers(compiler.depth, switch)
    cases = node.get("$cases")
    if not isinstance(cases, Map):
        compiler.problem(node.pos, "$cases takes a map from value to result")
        return NOTHING
    null = False
    word = "if"
    for number, (key, child) in enumerate(cases.entries):
        test = _one_of(value, _values(key))
        with compiler.nested(f"{word} {test}:"):
            inner = scope.case(switch, number)
            compiler.expr.look(code, inner)
            compiler.expr.notes.pop() if code.ref else None
            null |= _branch(compiler, child, inner, switch, result)
        word = "elif"
    otherwise = node.get("$else")
    if otherwise is not None:
        with compiler.nested("else:"):
            last = scope.case(switch, len(cases.entries))
            null |= _branch(compiler, otherwise, last, switch, result)
        return Val(result, True, null, True)
    with compiler.nested(f"elif {value} is not None:"):
        said = f"'no case for ' + _shown({value})"
        compiler.lose(node.pos, "dropped", "no case for this value", mark, said)
    with compiler.nested("else:"):
        compiler.check_case(switch, scope.case(switch, -1), node.pos)
    return Val(result, True, null, True)


def _branch(compiler: Compiler, child: Node, scope: Scope, switch: int, result: str) -> bool:
    val = compiler.node(child, scope)
    compiler.out.add(f"{result} = {val.text}")
    compiler.check_case(switch, scope, child.pos)
    return val.null


def _values(key: Scalar) -> list[Any]:
    words = {"true": True, "false": False, "null": None}
    found: list[Any] = []
    for word in str(key.value).split(" | "):
        word = word.strip()
        if key.plain and word in words:
            found.append(words[word])
        elif key.plain and word.lstrip("-").isdigit():
            found.append(int(word))
        else:
            found.append(word)
    return found


def _one_of(value: str, values: list[Any]) -> str:
    tests = [f"{value} is {v!r}" for v in values if v is None or isinstance(v, bool)]
    others = [v for v in values if v is not None and not isinstance(v, bool)]
    if len(others) == 1:
        tests.append(f"{value} == {others[0]!r}")
    elif others:
        # an object or a list cannot be looked up in a set, and equals none of the words
        tests.append(f"{value} in {tuple(others)!r}")
    return " or ".join(tests)


def first(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$first``: the first alternative that is present."""
    alternatives = node.get("$first")
    if not isinstance(alternatives, Seq):
        compiler.problem(node.pos, "$first takes a list of alternatives")
        return NOTHING
    result = compiler.expr.temp("r")
    compiler.out.add(f"{result} = None")
    null = _alternatives(compiler, list(alternatives.items), scope, result, first=True)
    return Val(result, True, null, True)


def _alternatives(
    compiler: Compiler, items: list[Node], scope: Scope, result: str, first: bool
) -> bool:
    if not items:
        return False
    if not first:
        with compiler.nested(f"if {result} is None:"):
            return _alternatives(compiler, items, scope, result, True)
    mark = compiler.mark() if compiler.traced else ""
    val = compiler.node(items[0], scope)
    compiler.out.add(f"{result} = {val.text}")
    if compiler.traced:
        # an alternative that is absent made nothing
        compiler.out.add(f"if {result} is None: T.forget({mark})")
    return val.null | _alternatives(compiler, items[1:], scope, result, False)


def lookup(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$lookup``: by table or by bands."""
    mark = len(compiler.expr.notes)
    val = compiler.value(node.get("$lookup"), scope)
    value, result = compiler.expr.temp(), compiler.expr.temp("r")
    compiler.out.add(f"{value} = {val.text}")
    compiler.out.add(f"{result} = None")
    otherwise = node.get("$else")
    bands = node.get("$bands")
    unknown = "pass"
    if isinstance(bands, Map):
        word = "if"
        rows = [(_number(compiler, key), plain(row)) for key, row in bands.entries]
        with compiler.nested(f"if type({value}) is int or type({value}) is float:"):
            for limit, row in sorted(rows, key=lambda pair: pair[0]):
                with compiler.out.indented(f"{word} {value} <= {limit!r}:"):
                    compiler.out.add(f"{result} = {row!r}")
                word = "elif"
        rows_text = None
    else:
        table, unknown = _table(compiler, node, node.get("$table"))
        rows_text = compiler.expr.keep(table, "table")
        with compiler.out.indented(f"if type({value}) is not dict and type({value}) is not list:"):
            compiler.out.add(f"{result} = {rows_text}.get({value})")
    null = False
    missing = f"if {result} is None and {value} is not None"
    if rows_text is not None:
        missing += f" and (type({value}) in (dict, list) or {value} not in {rows_text})"
    if otherwise is not None:
        with compiler.nested(f"if {result} is None:"):
            if rows_text is not None and unknown != "drop":
                with compiler.nested(f"{missing}:"):
                    said = f"'unknown value ' + _shown({value})"
                    compiler.lose(node.pos, "clamped", "unknown value", mark, said)
            alternative = compiler.node(otherwise, scope)
            null = alternative.null
            compiler.out.add(f"{result} = {alternative.text}")
    elif rows_text is not None:
        with compiler.nested(f"{missing}:"):
            if unknown == "reject":
                said = f"'unknown value ' + _shown({value})"
                compiler.out.add(compiler.refuse(node.pos, said, mark))
            else:
                said = f"'unknown value ' + _shown({value})"
                kind = "dropped" if unknown == "drop" else "clamped"
                compiler.lose(node.pos, kind, "unknown value", mark, said)
                if unknown == "pass":
                    compiler.out.add(f"{result} = {value}")
    return Val(result, True, null, True)


def _table(compiler: Compiler, node: Map, table: Node | None) -> tuple[dict[str, Any], str]:
    if isinstance(table, Map):
        rows = plain(table)
    else:
        name = scalar_text(table) or ""
        if name not in compiler.library.tables:
            where = table.pos if table else node.pos
            compiler.problem(where, f"unknown table {name}{suggest(name, compiler.library.tables)}")
            return {}, "pass"
        rows = dict(compiler.library.tables[name])
    unknown = rows.pop("$unknown", "pass")
    if unknown not in ("pass", "drop", "reject"):
        compiler.problem(node.pos, "$unknown is pass, drop or reject")
    return rows, unknown


def _number(compiler: Compiler, key: Scalar) -> float:
    try:
        return float(str(key.value)) if "." in str(key.value) else int(str(key.value))
    except ValueError:
        compiler.problem(key.pos, "a band begins with a number, like 1024: low")
        return 0
