"""The directives that choose: ``$switch``, ``$first``, ``$lookup``."""

from __future__ import annotations

import math
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
    switch = compiler.switch()
    # named cases have read the value; what falls to $else has not, so that $rest keeps it there
    compiler.out.add(f"{value} = {compiler.expr.plain(code, scope.case(switch, -1))}")
    compiler.note(node.pos, "map", mark)
    end = len(compiler.expr.notes)
    compiler.out.add(f"{result} = None")
    compiler.covers(switch, scope)
    cases = node.get("$cases")
    if not isinstance(cases, Map):
        compiler.problem(node.pos, "$cases takes a map from value to result")
        return NOTHING
    null = False
    word = "if"
    seen: set[str] = set()
    if not cases.entries:
        compiler.problem(cases.pos, "$cases holds no case; write one as value: result")
        return NOTHING
    for number, (key, child) in enumerate(cases.entries):
        values = _values(key)
        for each in values:
            if repr(each) in seen:
                compiler.problem(
                    key.pos, f"this case never runs: {each} stands in a case before; remove it"
                )
            seen.add(repr(each))
        test = _one_of(value, values)
        with compiler.nested(f"{word} {test}:"):
            inner = scope.case(switch, number)
            compiler.expr.plain(code, inner)
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
        # what the cases read has no part in it, and may not even be bound
        read = compiler.expr.notes[end:]
        del compiler.expr.notes[end:]
        compiler.lose(node.pos, "dropped", "no case for this value", mark, said)
        compiler.expr.notes += read
        compiler.check_case(switch, scope.case(switch, -1), node.pos)
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
    # true equals 1 in Python
    tests += [f"({value} == {v!r} and {value} is not True)" for v in values if type(v) is int]
    texts = [v for v in values if isinstance(v, str)]
    if len(texts) == 1:
        tests.append(f"{value} == {texts[0]!r}")
    elif texts:
        # an object or a list cannot be looked up in a set, and equals none of the words
        tests.append(f"{value} in {tuple(texts)!r}")
    return " or ".join(tests)


def first(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$first``: the first alternative that is present."""
    alternatives = node.get("$first")
    if not isinstance(alternatives, Seq):
        compiler.problem(node.pos, "$first takes a list of alternatives")
        return NOTHING
    if not alternatives.items:
        return NOTHING
    result = compiler.expr.temp("r")
    since = compiler.mark() if compiler.traced else ""
    val = compiler.node(alternatives.items[0], scope)
    compiler.out.add(f"{result} = {val.text}")
    null = val.null
    for item in alternatives.items[1:]:
        if not val.absent:
            compiler.problem(
                item.pos, "this alternative is never reached: the one before is always present"
            )
            break
        with compiler.nested(f"if {result} is None:"):
            if compiler.traced:
                compiler.out.add(f"T.vain({since})")
            val = compiler.node(item, scope)
            null |= val.null
            compiler.out.add(f"{result} = {val.text}")
    return Val(result, True, null, True)


def lookup(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$lookup``: by table or by bands."""
    mark = len(compiler.expr.notes)
    val = compiler.value(node.get("$lookup"), scope, plain=True)
    value, result = compiler.expr.temp(), compiler.expr.temp("r")
    compiler.out.add(f"{value} = {val.text}")
    bands = node.get("$bands")
    if (bands is None) is (node.get("$table") is None):
        compiler.problem(node.pos, "$lookup takes $table or $bands beside it, one of them")
        return NOTHING
    if bands is not None:
        missing, unknown = _bands(compiler, bands, value, result), "drop"
    else:
        rows, unknown = _table(compiler, node, node.get("$table"))
        kept = compiler.expr.keep(rows, "table")
        compiler.out.add(f"{result} = _row({kept}, {value})")
        missing = f"{result} is None and {value} is not None and not _known({kept}, {value})"
    otherwise = node.get("$else")
    said = f"'unknown value ' + _shown({value})"
    if otherwise is None:
        with compiler.nested(f"if {missing}:"):
            if unknown == "reject":
                compiler.out.add(compiler.refuse(node.pos, said, mark))
            else:
                kind = "dropped" if unknown == "drop" else "clamped"
                compiler.lose(node.pos, kind, "unknown value", mark, said)
                if unknown == "pass":
                    compiler.out.add(f"{result} = {value}")
        return Val(result, True, False, True)
    with compiler.nested(f"if {result} is None:"):
        if bands is None and unknown != "drop":
            with compiler.nested(f"if {missing}:"):
                compiler.lose(node.pos, "clamped", "unknown value", mark, said)
        alternative = compiler.node(otherwise, scope)
        compiler.out.add(f"{result} = {alternative.text}")
    return Val(result, alternative.absent, alternative.null, True)


def _bands(compiler: Compiler, bands: Node, value: str, result: str) -> str:
    """The bands as comparisons; Python code that is true when none took the value."""
    if not isinstance(bands, Map) or not bands.entries:
        compiler.problem(bands.pos, "$bands takes a map from number to value, like {1024: low}")
        return "False"
    compiler.out.add(f"{result} = None")
    rows = sorted(
        ((_number(compiler, key), plain(row)) for key, row in bands.entries), key=lambda row: row[0]
    )
    word = "if"
    with compiler.nested(f"if type({value}) is int or type({value}) is float:"):
        for limit, row in rows:
            with compiler.out.indented(f"{word} {value} <= {limit!r}:"):
                compiler.out.add(f"{result} = {row!r}")
            word = "elif"
    return f"{result} is None and {value} is not None"


def _table(compiler: Compiler, node: Map, table: Node | None) -> tuple[dict[str, Any], str]:
    if isinstance(table, Map):
        rows = plain(table)
    else:
        name = scalar_text(table) or ""
        pos = table.pos if table else node.pos
        if name not in compiler.library.tables:
            compiler.problem(pos, f"unknown table {name}{suggest(name, compiler.library.tables)}")
            return {}, "pass"
        rows = compiler.library.tables[name]
        if not isinstance(rows, dict):
            compiler.problem(pos, f"the table {name} is no map from value to value")
            return {}, "pass"
        rows = dict(rows)
    unknown = rows.pop("$unknown", "pass")
    if unknown not in ("pass", "drop", "reject"):
        compiler.problem(node.pos, f"$unknown is pass, drop or reject, not {unknown}")
    return rows, unknown


def _number(compiler: Compiler, key: Scalar) -> float:
    try:
        number = float(str(key.value)) if "." in str(key.value) else int(str(key.value))
    except ValueError:
        number = None
    if number is None or not math.isfinite(number):
        compiler.problem(key.pos, "a band begins with a number, like 1024: low")
        return 0
    return number
