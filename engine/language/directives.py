"""The directives of a document: what each key with a ``$`` takes and the Python it becomes.

One entry of ``DIRECTIVES`` a directive: its modifiers and its function. The manual (``docs/mapping-language.md``) has a section for each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.language.compiler import (
    NOTHING,
    Compiler,
    Val,
    plain_value,
    scalar_text,
)
from engine.language.loops import each, mapped, scan
from engine.language.scope import Scope
from engine.language.source import Map, Node, Scalar, Seq, suggest

Make = Callable[[Compiler, Map, Scope], Val]

EVERYWHERE = frozenset({"$when", "$let", "$ignore"})
IN_OBJECTS = frozenset({"$rest", "$spread", "$empty"})


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive: the modifiers it takes, those it needs, whether plain keys may stand beside it."""

    compile: Make
    modifiers: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    own_keys: bool = False


def check_keys(compiler: Compiler, node: Map) -> str | None:
    """The directive of a map, or None for an object; mistakes are noted."""
    words = [(key.pos, str(key.value)) for key, _ in node.entries if str(key.value).startswith("$")]
    chosen = [word for _, word in words if word in DIRECTIVES]
    if len(chosen) > 1:
        compiler.problem(
            node.pos, f"{chosen[0]} and {chosen[1]} in one map; put one inside the other"
        )
    directive = DIRECTIVES[chosen[0]] if chosen else None
    allowed = EVERYWHERE | (directive.modifiers if directive else IN_OBJECTS)
    for pos, word in words:
        if word in allowed or word in DIRECTIVES:
            continue
        if word in _MODIFIERS:
            owner = f"{chosen[0]}" if chosen else "a map without a directive"
            compiler.problem(pos, f"{word} does not belong to {owner}")
        else:
            compiler.problem(
                pos,
                f"unknown directive {word}{suggest(word, {*DIRECTIVES, *EVERYWHERE, *_MODIFIERS})}",
            )
    if directive is None:
        return None
    for need in sorted(directive.needs):
        if node.get(need) is None:
            compiler.problem(node.pos, f"{chosen[0]} needs {need} beside it")
            return "$literal"
    if not directive.own_keys:
        for key, _ in node.entries:
            if not str(key.value).startswith("$"):
                compiler.problem(
                    key.pos, f"{key.value} stands beside {chosen[0]}; only its modifiers may"
                )
    return chosen[0]


def _choice(compiler: Compiler, node: Map, scope: Scope) -> Val:
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


def _first(compiler: Compiler, node: Map, scope: Scope) -> Val:
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
    if first:
        val = compiler.node(items[0], scope)
        compiler.out.add(f"{result} = {val.text}")
        return val.null | _alternatives(compiler, items[1:], scope, result, False)
    with compiler.nested(f"if {result} is None:"):
        val = compiler.node(items[0], scope)
        compiler.out.add(f"{result} = {val.text}")
        return val.null | _alternatives(compiler, items[1:], scope, result, False)


def _lookup(compiler: Compiler, node: Map, scope: Scope) -> Val:
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
        rows = [(_number(compiler, key), plain_value(row)) for key, row in bands.entries]
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
        rows = plain_value(table)
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


TYPES = frozenset({"string", "integer", "number", "boolean", "object", "list"})


def _typed(compiler: Compiler, node: Map, value: str, mark: int) -> None:
    """``$type``: refuse a value of another type."""
    kind = node.get("$type")
    if kind is None:
        return
    wanted = scalar_text(kind) or ""
    if wanted not in TYPES:
        compiler.problem(kind.pos, f"unknown type {wanted}{suggest(wanted, TYPES)}")
    quick = {
        "string": f"type({value}) is not str",
        "object": f"type({value}) is not dict",
        "list": f"type({value}) is not list",
        "boolean": f"type({value}) is not bool",
        "integer": f"type({value}) is not int",
    }.get(wanted, f"not _is_a({value}, {wanted!r})")
    with compiler.out.indented(f"if {value} is not None and {quick}:"):
        compiler.out.add(compiler.refuse(kind.pos, f"_wrong({value}, {wanted!r})", mark))


def _value(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$value``: a value with a default."""
    mark = len(compiler.expr.notes)
    val = compiler.value(node.get("$value"), scope)
    result = compiler.expr.temp("r")
    compiler.out.add(f"{result} = {val.text}")
    _typed(compiler, node, result, mark)
    if node.get("$empty") is not None:
        with compiler.out.indented(f"if {result} in ('', [], {{}}):"):
            compiler.out.add(f"{result} = None")
    otherwise = node.get("$else")
    if otherwise is None:
        return Val(result, True, val.null, True)
    with compiler.nested(f"if {result} is None:"):
        if compiler.traced:
            number = compiler.rule(node.pos, "note", "")
            compiler.out.add(f"T.note({number}, 'supply')")
        alternative = compiler.node(otherwise, scope)
        compiler.out.add(f"{result} = {alternative.text}")
    return Val(result, alternative.absent, val.null or alternative.null, True)


def _require(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$require``: absence is the writer's mistake."""
    mark = len(compiler.expr.notes)
    val = compiler.value(node.get("$require"), scope)
    result = compiler.expr.temp("r")
    compiler.out.add(f"{result} = {val.text}")
    with compiler.out.indented(f"if {result} is None:"):
        compiler.out.add(compiler.refuse(node.pos, "'is missing'", mark))
    _typed(compiler, node, result, mark)
    return Val(result, False, val.null, True)


def _concat(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$concat``: one list of several."""
    return _together(compiler, node, scope, "$concat", "[]", "_extend({0}, {1})")


def _merge(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$merge``: one object of several."""
    return _together(compiler, node, scope, "$merge", "{}", "{0}.update({1})")


def _together(compiler: Compiler, node: Map, scope: Scope, word: str, start: str, add: str) -> Val:
    pieces = node.get(word)
    if not isinstance(pieces, Seq):
        compiler.problem(node.pos, f"{word} takes a list")
        return NOTHING
    result = compiler.expr.temp("r")
    compiler.out.add(f"{result} = None")
    for piece in pieces.items:
        val = compiler.node(piece, scope)
        if val is NOTHING:
            continue
        text = compiler.stable(val)
        test = f"if type({text}) is dict:" if word == "$merge" else f"if {text} is not None:"
        with compiler.out.indented(test):
            with compiler.out.indented(f"if {result} is None:"):
                compiler.out.add(f"{result} = {start}")
            compiler.out.add(add.format(result, text))
            if compiler.traced and word == "$merge":
                compiler.out.add(f"T.moved({text}, {result})")
    return empty(compiler, node, result)


def empty(compiler: Compiler, node: Map, result: str) -> Val:
    """``$empty``: whether an empty result is absent, an absent one empty."""
    word = scalar_text(node.get("$empty"))
    if word == "drop":
        compiler.out.add(f"{result} = {result} or None")
    elif word == "keep":
        compiler.out.add(f"{result} = [] if {result} is None else {result}")
        return Val(result, False, False, True)
    elif word is not None:
        compiler.problem(node.pos, "$empty is drop or keep")
    return Val(result, True, False, True)


def _parse(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$parse``: JSON text to value."""
    val = compiler.value(node.get("$parse"), scope)
    result = compiler.expr.temp("r")
    compiler.out.add(f"{result} = _parsed({val.text}, None)")
    otherwise = node.get("$else")
    if otherwise is None:
        return Val(result, True, False, True)
    with compiler.nested(f"if {result} is None:"):
        alternative = compiler.node(otherwise, scope)
        compiler.out.add(f"{result} = {alternative.text}")
    return Val(result, alternative.absent, alternative.null, True)


def _json(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$json``: value to compact JSON text."""
    val = compiler.value(node.get("$json"), scope)
    text = compiler.stable(val)
    return Val(f"(None if {text} is None else _json({text}))")


def _id(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$id``: derived, never random."""
    prefix = scalar_text(node.get("$id")) or ""
    of = node.get("$of")
    items = of.items if isinstance(of, Seq) else (of,)
    values = [compiler.value(item, scope).text for item in items]
    return Val(f"_id({', '.join([repr(prefix), *values])})", absent=False)


def _use(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$use``: a fragment with names of its own."""
    return compiler.fragment(node, node.get("$use") or node, scope)


def _extends(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$extends``: the fragment's keys, own ones over them."""
    name = scalar_text(node.get("$extends")) or ""
    base = compiler.library.fragments.get(name)
    if not isinstance(base, Map):
        known = suggest(name, compiler.library.fragments)
        compiler.problem(node.pos, f"unknown fragment {name}{known}")
        return NOTHING
    own = {
        key.value: value for key, value in node.entries if key.value not in ("$extends", "$when")
    }
    merged = [(key, own.pop(key.value, value)) for key, value in base.entries]
    merged += [(key, own[key.value]) for key, _ in node.entries if key.value in own]
    return compiler.map(Map(node.pos, tuple(merged)), scope)


def _present_of(compiler: Compiler, node: Map, scope: Scope) -> tuple[list[tuple[str, int]], bool]:
    """The expressions of ``$of`` as (Python name, mark of its readings)."""
    of = node.get("$of")
    if of is None:
        return [], False
    found = []
    for item in of.items if isinstance(of, Seq) else (of,):
        mark = len(compiler.expr.notes)
        code = compiler.expression(item, scope)
        name = compiler.expr.temp()
        compiler.out.add(f"{name} = {compiler.expr.take(code, scope)}")
        found.append((name, mark))
        compiler.expr.notes[mark:] = compiler.expr.notes[mark : mark + 1]
    return found, True


def _reason(compiler: Compiler, node: Node | None, scope: Scope) -> tuple[str, str | None]:
    """The words of a reason and, when it is a template, the code that makes them."""
    words = scalar_text(node) or ""
    if not words and node is not None:
        compiler.problem(node.pos, "a reason in words is wanted here")
    if node is not None and isinstance(node, Scalar) and "{{" in words:
        mark = len(compiler.expr.notes)
        text = compiler.scalar(node, scope).text
        del compiler.expr.notes[mark:]
        return words, text
    return words, None


def _drop(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$drop``: leave out and record."""
    if node.get("$of") is None:
        compiler.problem(node.pos, "$drop needs $of: what is left out")
        return NOTHING
    for name, mark in _present_of(compiler, node, scope)[0]:
        with compiler.nested(f"if {name} is not None:"):
            words, text = _reason(compiler, node.get("$drop"), scope)
            compiler.lose(node.pos, "dropped", words, mark, text)
    return NOTHING


def _emulate(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$emulate``: the effect made another way, recorded."""
    found, given = _present_of(compiler, node, scope)
    mark = len(compiler.expr.notes)
    item = node.get("$item")
    val = compiler.node(item, scope) if item is not None else NOTHING
    result = compiler.expr.temp("r")
    compiler.out.add(f"{result} = {val.text}")
    words, text = _reason(compiler, node.get("$emulate"), scope)
    if not given:
        compiler.lose(node.pos, "emulated", words, mark, text)
    for name, at in found:
        with compiler.nested(f"if {name} is not None:"):
            compiler.lose(node.pos, "emulated", words, at, text)
    return Val(result, val.absent, val.null, True)


def _clamp(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$clamp``: the nearest legal value, recorded if it changed."""
    mark = len(compiler.expr.notes)
    val = compiler.value(node.get("$clamp"), scope)
    value, result = compiler.expr.temp(), compiler.expr.temp("r")
    compiler.out.add(f"{value} = {val.text}")
    end = len(compiler.expr.notes)
    allowed = node.get("$in")
    null = False
    with compiler.nested(f"if {value} is not None:"):
        if allowed is not None:
            choices = compiler.expr.keep(plain_value(allowed), "in")
            if isinstance(allowed, Scalar):
                choices = compiler.value(allowed, scope).text
            with compiler.nested(f"if {value} in ({choices} or ()):"):
                compiler.out.add(f"{result} = {value}")
            with compiler.nested("else:"):
                otherwise = node.get("$else")
                other = compiler.node(otherwise, scope) if otherwise is not None else NOTHING
                null = other.null
                compiler.out.add(f"{result} = {other.text}")
        else:
            compiler.out.add(f"{result} = {value}")
            wrong = f"if not _is_a({value}, 'number'):"
            del compiler.expr.notes[end:]
            with compiler.out.indented(wrong):
                compiler.out.add(compiler.refuse(node.pos, f"_wrong({value}, 'number')", mark))
            for word, sign in (("$min", "<"), ("$max", ">")):
                bound = node.get(word)
                if bound is None:
                    continue
                limit = compiler.stable(compiler.node(bound, scope))
                with compiler.out.indented(f"if {limit} is not None and {result} {sign} {limit}:"):
                    compiler.out.add(f"{result} = {limit}")
        del compiler.expr.notes[end:]
        with compiler.nested(f"if {result} != {value}:"):
            words = scalar_text(node.get("$reason")) or ""
            said = f"'changed from ' + _shown({value}) + ' to ' + _shown({result})"
            if words:
                said = f"{said} + {': ' + words!r}"
            compiler.lose(
                node.pos, "clamped", words or "changed to the nearest legal value", mark, said
            )
            if compiler.traced:
                number = compiler.rule(node.pos, "note", "")
                compiler.out.add(f"T.note({number}, 'clamp'{compiler.paths(mark)})")
    with compiler.out.indented("else:"):
        compiler.out.add(f"{result} = None")
    return Val(result, True, null, True)


def _reject(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$reject``: refuse with a sentence."""
    status = plain_value(node.get("$status") or Scalar(node.pos, 400))
    found, given = _present_of(compiler, node, scope)
    words = node.get("$reject")
    if not given:
        mark = len(compiler.expr.notes)
        text = _sentence(compiler, words, scope)
        compiler.out.add(compiler.refuse(node.pos, text, mark, status))
    for name, mark in found:
        with compiler.nested(f"if {name} is not None:"):
            end = len(compiler.expr.notes)
            text = _sentence(compiler, words, scope)
            del compiler.expr.notes[end:]
            compiler.out.add(compiler.refuse(node.pos, text, mark, status))
    return NOTHING


def _sentence(compiler: Compiler, node: Node | None, scope: Scope) -> str:
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return compiler.scalar(node, scope).text
    return "'this cannot be done'"


def _schema(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$schema``: a JSON Schema by a profile."""
    mark = len(compiler.expr.notes)
    val = compiler.value(node.get("$schema"), scope)
    name = scalar_text(node.get("$profile")) or ""
    profiles = compiler.library.profiles
    if profiles is None or name not in profiles:
        known = suggest(name, profiles or ())
        compiler.problem(node.pos, f"unknown schema profile {name}{known}")
        return NOTHING
    kept = compiler.expr.keep(profiles[name].rewrite, "rewrite")
    value, result, changes = (compiler.expr.temp() for _ in range(3))
    compiler.out.add(f"{value} = {val.text}")
    compiler.out.add(f"{result} = {value}")
    with compiler.nested(f"if type({value}) is dict or type({value}) is bool:"):
        compiler.out.add(f"{result}, {changes} = {kept}({value})")
        with compiler.nested(f"if {changes}:"):
            said = f"'; '.join({changes})"
            compiler.lose(node.pos, "clamped", "the schema was rewritten", mark, said)
    return Val(result, True, False, True)


def _literal(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$literal``: data as it is."""
    data = node.get("$literal")
    if data is None:
        return NOTHING
    value = plain_value(data)
    if isinstance(value, dict | list):
        return Val(repr(value), absent=False)
    return Val(repr(value), absent=value is None, atom=True)


LOOP = frozenset({"$as", "$if", "$item", "$flat", "$join", "$empty"})
OF = frozenset({"$of"})

DIRECTIVES: dict[str, Directive] = {
    "$each": Directive(each, LOOP, frozenset({"$as"})),
    "$scan": Directive(
        scan, LOOP | {"$state", "$set", "$append", "$then", "$last"}, frozenset({"$as", "$state"})
    ),
    "$map": Directive(
        mapped,
        frozenset({"$as", "$key", "$item", "$if", "$empty"}),
        frozenset({"$as", "$key", "$item"}),
    ),
    "$switch": Directive(_choice, frozenset({"$cases", "$else"}), frozenset({"$cases"})),
    "$first": Directive(_first),
    "$lookup": Directive(_lookup, frozenset({"$table", "$bands", "$else"})),
    "$value": Directive(_value, frozenset({"$else", "$type", "$empty"})),
    "$require": Directive(_require, frozenset({"$type"})),
    "$concat": Directive(_concat, frozenset({"$empty"})),
    "$merge": Directive(_merge, frozenset({"$empty"})),
    "$parse": Directive(_parse, frozenset({"$else"})),
    "$json": Directive(_json),
    "$id": Directive(_id, OF, OF),
    "$use": Directive(_use, frozenset({"$with"})),
    "$extends": Directive(_extends, IN_OBJECTS, own_keys=True),
    "$drop": Directive(_drop, OF, OF),
    "$emulate": Directive(_emulate, OF | {"$item"}, frozenset({"$item"})),
    "$clamp": Directive(_clamp, frozenset({"$min", "$max", "$in", "$else", "$reason"})),
    "$reject": Directive(_reject, OF | {"$status"}),
    "$schema": Directive(_schema, frozenset({"$profile"}), frozenset({"$profile"})),
    "$literal": Directive(_literal, frozenset()),
}

_MODIFIERS = frozenset().union(*(each.modifiers for each in DIRECTIVES.values())) | IN_OBJECTS
