"""The directives for what a target has no form for: ``$drop``, ``$emulate``, ``$clamp``,
``$reject``, ``$schema``."""

from __future__ import annotations

from engine.language.compiler import Compiler
from engine.language.results import NOTHING, Val, scalar_text
from engine.language.scope import Scope
from engine.language.source import Map, Node, Scalar, Seq, plain, suggest


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
        # whether it is there is asked, even where the rule does not come to run
        compiler.out.add(f"{name} = {compiler.expr.look(code, scope)}")
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


def drop(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$drop``: leave out and record."""
    for name, mark in _present_of(compiler, node, scope)[0]:
        with compiler.nested(f"if {name} is not None:"):
            words, text = _reason(compiler, node.get("$drop"), scope)
            _lose(compiler, node, "dropped", words, mark, text)
    return NOTHING


def _lose(
    compiler: Compiler, node: Map, kind: str, words: str, mark: int, text: str | None
) -> None:
    """Record the loss of the one reading at ``mark``: what was read after it is not lost."""
    end = len(compiler.expr.notes)
    compiler.expr.notes += compiler.expr.notes[mark : mark + 1]
    compiler.lose(node.pos, kind, words, end, text)
    del compiler.expr.notes[end:]


def emulate(compiler: Compiler, node: Map, scope: Scope) -> Val:
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
            _lose(compiler, node, "emulated", words, at, text)
    return Val(result, val.absent, val.null, True)


def clamp(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$clamp``: the nearest legal value, recorded if it changed."""
    mark = len(compiler.expr.notes)
    val = compiler.value(node.get("$clamp"), scope)
    value, result = compiler.expr.temp(), compiler.expr.temp("r")
    compiler.out.add(f"{value} = {val.text}")
    end = len(compiler.expr.notes)
    bounds = [word for word in ("$min", "$max") if node.get(word) is not None]
    allowed = node.get("$in")
    if bool(bounds) is (allowed is not None):
        compiler.problem(node.pos, "$clamp takes $in, or $min and $max, beside it")
        return NOTHING
    null = False
    compiler.out.add(f"{result} = None")
    with compiler.nested(f"if {value} is not None:"):
        if allowed is not None:
            null = _nearest(compiler, node, allowed, scope, value, result)
        else:
            _between(compiler, node, bounds, scope, value, result, mark)
        del compiler.expr.notes[end:]
        with compiler.nested(f"if {result} != {value}:"):
            words = scalar_text(node.get("$reason")) or ""
            said = f"_changed({value}, {result})"
            if words:
                said = f"{said} + {': ' + words!r}"
            fallback = words or "changed to the nearest legal value"
            compiler.lose(node.pos, "clamped", fallback, mark, said)
            if compiler.traced:
                number = compiler.rule(node.pos, "note", "")
                compiler.out.add(f"T.note({number}, 'clamp'{compiler.paths(mark)})")
    return Val(result, True, null, True)


def _nearest(
    compiler: Compiler, node: Map, allowed: Node, scope: Scope, value: str, result: str
) -> bool:
    """One of the allowed values, else what ``$else`` gives; whether that may be a null."""
    if isinstance(allowed, Seq):
        choices = compiler.expr.keep(plain(allowed), "in")
    else:
        choices = compiler.value(allowed, scope).text
    with compiler.nested(f"if _among({value}, {choices}):"):
        compiler.out.add(f"{result} = {value}")
    otherwise = node.get("$else")
    if otherwise is None:
        return False
    with compiler.nested("else:"):
        other = compiler.node(otherwise, scope)
        compiler.out.add(f"{result} = {other.text}")
    return other.null


def _number(value: str) -> str:
    """The test whether a value is a number, which is whole most times."""
    return f"(type({value}) is int or _is_a({value}, 'number'))"


def _between(
    compiler: Compiler,
    node: Map,
    bounds: list[str],
    scope: Scope,
    value: str,
    result: str,
    mark: int,
) -> None:
    """A number within the bounds that are there."""
    if node.get("$else") is not None:
        compiler.problem(node.pos, "$else belongs to $in; a number has its nearest bound")
    with compiler.out.indented(f"if not {_number(value)}:"):
        compiler.out.add(compiler.refuse(node.pos, f"_wrong({value}, 'number')", mark))
    compiler.out.add(f"{result} = {value}")
    for word in bounds:
        bound = node.get(word)
        assert bound is not None
        sign = "<" if word == "$min" else ">"
        limit = compiler.stable(compiler.node(bound, scope))
        with compiler.out.indented(f"if {_number(limit)} and {result} {sign} {limit}:"):
            compiler.out.add(f"{result} = {limit}")


def reject(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$reject``: refuse with a sentence."""
    given = node.get("$status")
    status = plain(given) if given is not None else 400
    if type(status) is not int or not 400 <= status <= 599:
        compiler.problem(given.pos if given else node.pos, "$status is a number from 400 to 599")
        status = 400
    found, named = _present_of(compiler, node, scope)
    words = node.get("$reject")
    if not named:
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
        return f"_text({compiler.scalar(node, scope).text})"
    if node is not None:
        compiler.problem(node.pos, "$reject takes a sentence for the client")
    return "''"


def schema(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$schema``: a JSON Schema by a profile."""
    mark = len(compiler.expr.notes)
    val = compiler.value(node.get("$schema"), scope)
    name = scalar_text(node.get("$profile")) or ""
    profiles = compiler.library.profiles
    if profiles is None or name not in profiles:
        known = suggest(name, profiles or ())
        compiler.problem(node.pos, f"unknown schema profile {name}{known}")
        return NOTHING
    kept = compiler.expr.call("rewrite", "profile", name, "rewrite")
    value, result, changes = (compiler.expr.temp() for _ in range(3))
    compiler.out.add(f"{value} = {val.text}")
    compiler.out.add(f"{result} = {value}")
    with compiler.nested(f"if type({value}) is dict or type({value}) is bool:"):
        compiler.out.add(f"{result}, {changes} = {kept}({value})")
        if plain(node.get("$accepted") or Scalar(node.pos, False)) is True:
            accepts = compiler.expr.call("accepts", "profile", name, "accepts")
            with compiler.out.indented(f"if not {accepts}({value}):"):
                compiler.out.add(f"{result} = None")
            return Val(result, True, False, True)
        with compiler.nested(f"if {changes}:"):
            said = f"'; '.join({changes})"
            compiler.lose(node.pos, "clamped", "the schema was rewritten", mark, said)
    return Val(result, True, False, True)
