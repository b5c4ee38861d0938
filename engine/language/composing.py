"""The directives that make one value of others: ``$value``, ``$require``, ``$concat``, ``$merge``,
``$parse``,
``$json``, ``$id``, ``$literal``, ``$extends``."""

from __future__ import annotations

from engine.language.compiler import Compiler
from engine.language.results import NOTHING, Val, scalar_text
from engine.language.scope import Scope
from engine.language.source import Map, Seq, plain, suggest

PLAIN_TYPES = frozenset({"string", "integer", "number", "boolean"})
TYPES = PLAIN_TYPES | {"object", "list"}


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


def value(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$value``: a value with a default."""
    mark = len(compiler.expr.notes)
    since = compiler.mark() if compiler.traced else ""
    val = compiler.value(node.get("$value"), scope, scalar_text(node.get("$type")) in PLAIN_TYPES)
    result = compiler.expr.temp("r")
    compiler.out.add(f"{result} = {val.text}")
    _typed(compiler, node, result, mark)
    if empty_word(compiler, node, ("drop",)):
        with compiler.out.indented(f"if {result} in ('', [], {{}}):"):
            compiler.out.add(f"{result} = None")
    otherwise = node.get("$else")
    if otherwise is None:
        return Val(result, True, val.null, True)
    with compiler.nested(f"if {result} is None:"):
        if compiler.traced:
            number = compiler.rule(node.pos, "note", "")
            compiler.out.add(f"T.forget({since})")
            compiler.out.add(f"T.note({number}, 'supply')")
        alternative = compiler.node(otherwise, scope)
        compiler.out.add(f"{result} = {alternative.text}")
    return Val(result, alternative.absent, val.null or alternative.null, True)


def require(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$require``: absence is the writer's mistake."""
    mark = len(compiler.expr.notes)
    plain = scalar_text(node.get("$type")) in PLAIN_TYPES
    val = compiler.value(node.get("$require"), scope, plain)
    result = compiler.expr.temp("r")
    compiler.out.add(f"{result} = {val.text}")
    with compiler.out.indented(f"if {result} is None:"):
        compiler.out.add(compiler.refuse(node.pos, "'is missing'", mark))
    _typed(compiler, node, result, mark)
    return Val(result, False, val.null, True)


def concat(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$concat``: one list of several."""
    return _together(compiler, node, scope, "$concat", "[]")


def merge(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$merge``: one object of several; later keys win."""
    return _together(compiler, node, scope, "$merge", "{}")


def _together(compiler: Compiler, node: Map, scope: Scope, word: str, start: str) -> Val:
    pieces = node.get(word)
    if not isinstance(pieces, Seq):
        compiler.problem(node.pos, f"{word} takes a list, like [= wire.a, = wire.b]")
        return NOTHING
    result = compiler.expr.temp("r")
    compiler.out.add(f"{result} = None")
    for piece in pieces.items:
        mark = len(compiler.expr.notes)
        val = compiler.node(piece, scope)
        if val is NOTHING or (word == "$merge" and val.text == "NULL"):
            continue
        text = compiler.stable(val)
        test = f"if type({text}) is dict:" if word == "$merge" else f"if {text} is not None:"
        with compiler.out.indented(test):
            with compiler.out.indented(f"if {result} is None:"):
                compiler.out.add(f"{result} = {start}")
            if word == "$concat":
                compiler.extend(result, text)
            else:
                compiler.out.add(f"{result}.update({text})")
            if compiler.traced and word == "$merge":
                compiler.out.add(f"T.moved({text}, {result})")
        if word == "$merge" and val.absent:
            with compiler.nested(f"elif {text} is not None and {text} is not NULL:"):
                compiler.lose(piece.pos, "dropped", "only objects can be merged", mark)
    return empty(compiler, node, result, start)


def empty(compiler: Compiler, node: Map, result: str, nothing: str = "[]") -> Val:
    """``$empty``: whether an empty result is absent, an absent one empty."""
    word = empty_word(compiler, node)
    if word == "drop":
        compiler.out.add(f"{result} = {result} or None")
    elif word == "keep":
        compiler.out.add(f"{result} = {nothing} if {result} is None else {result}")
        return Val(result, False, False, True)
    return Val(result, True, False, True)


def empty_word(compiler: Compiler, node: Map, words: tuple[str, ...] = ("drop", "keep")) -> str:
    """The word of ``$empty``, or the empty text."""
    given = node.get("$empty")
    if given is None:
        return ""
    word = scalar_text(given) or ""
    if word not in words:
        compiler.problem(given.pos, f"$empty is {' or '.join(words)} here, not {plain(given)}")
    return word


def parse(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$parse``: JSON text to value."""
    mark = len(compiler.expr.notes)
    val = compiler.value(node.get("$parse"), scope)
    text = compiler.stable(val)
    result = compiler.expr.temp("r")
    compiler.out.add(f"{result} = _parsed({text}, None)")
    otherwise = node.get("$else")
    if otherwise is None:
        with compiler.nested(f"if {result} is None and {text} is not None and {text} != 'null':"):
            compiler.lose(node.pos, "dropped", "no JSON text", mark)
        return Val(result, True, False, True)
    with compiler.nested(f"if {result} is None:"):
        alternative = compiler.node(otherwise, scope)
        compiler.out.add(f"{result} = {alternative.text}")
    return Val(result, alternative.absent, alternative.null, True)


def json(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$json``: value to compact JSON text."""
    val = compiler.value(node.get("$json"), scope)
    text = compiler.stable(val)
    return Val(f"(None if {text} is None else _json({text}))")


def id_(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$id``: derived, never random."""
    prefix = scalar_text(node.get("$id"))
    if prefix is None or "{{" in prefix or prefix.startswith("="):
        compiler.problem(node.pos, "$id takes a fixed prefix, like call_")
        return NOTHING
    of = node.get("$of")
    items = of.items if isinstance(of, Seq) else (of,)
    values = [compiler.value(item, scope).text for item in items]
    return Val(f"_id({', '.join([repr(prefix), *values])})", absent=False)


_DONE = frozenset({"$extends", "$when", "$let", "$ignore"})


def extends(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$extends``: the fragment's keys, own ones over them."""
    given = node.get("$extends") or node
    name = scalar_text(given) or ""
    base = compiler.library.fragments.get(name)
    if not isinstance(base, Map):
        known = suggest(name, compiler.library.fragments)
        compiler.problem(given.pos, f"unknown fragment {name}{known}")
        return NOTHING
    if name in compiler.expanding:
        compiler.problem(given.pos, f"the fragment {name} extends itself; use $use for that")
        return NOTHING
    # the own $when, $let and $ignore are done with: what is bound there, the fragment sees
    own = {key.value: value for key, value in node.entries if key.value not in _DONE}
    merged = [(key, own.pop(key.value, value)) for key, value in base.entries]
    merged += [(key, own[key.value]) for key, _ in node.entries if key.value in own]
    compiler.expanding.append(name)
    val = compiler.map(Map(node.pos, tuple(merged)), scope)
    compiler.expanding.pop()
    return val


def literal(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$literal``: data as it is."""
    data = node.get("$literal")
    if data is None:
        return NOTHING
    value = plain(data)
    if isinstance(value, dict | list):
        return Val(repr(value), absent=False)
    return Val(repr(value), absent=value is None, atom=True)
