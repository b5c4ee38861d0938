"""The directives of a document: what each key with a ``$`` takes and the Python it becomes.

One entry of ``DIRECTIVES`` a directive: its modifiers and its function. The manual
(``docs/mapping-language.md``) has a section for each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.language import choices, composing, honesty
from engine.language.compiler import Compiler
from engine.language.fragments import use
from engine.language.loops import each, mapped, scan
from engine.language.results import Val
from engine.language.scope import Scope
from engine.language.source import Map, suggest

Make = Callable[[Compiler, Map, Scope], Val]

EVERYWHERE = frozenset({"$when", "$let", "$ignore"})
IN_OBJECTS = frozenset({"$rest", "$spread", "$empty"})


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive: the modifiers it takes, those it needs, whether plain keys may stand beside
    it."""

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
    known = {*DIRECTIVES, *EVERYWHERE, *_MODIFIERS}
    misspelt = any(word not in known for _, word in words)
    allowed = EVERYWHERE | (directive.modifiers if directive else IN_OBJECTS)
    for pos, word in words:
        if word in allowed or word in DIRECTIVES:
            continue
        if word not in known:
            compiler.problem(pos, f"unknown directive {word}{suggest(word, known)}")
        elif chosen or not misspelt:
            # beside a misspelt directive its modifiers are no second mistake
            owner = chosen[0] if chosen else "a map without a directive"
            takes = [name for name, each in DIRECTIVES.items() if word in each.modifiers]
            compiler.problem(
                pos, f"{word} does not belong to {owner}; it stands beside {', '.join(takes)}"
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
    "$switch": Directive(choices.switch, frozenset({"$cases", "$else"}), frozenset({"$cases"})),
    "$first": Directive(choices.first),
    "$lookup": Directive(choices.lookup, frozenset({"$table", "$bands", "$else"})),
    "$value": Directive(composing.value, frozenset({"$else", "$type", "$empty"})),
    "$require": Directive(composing.require, frozenset({"$type"})),
    "$concat": Directive(composing.concat, frozenset({"$empty"})),
    "$merge": Directive(composing.merge, frozenset({"$empty"})),
    "$parse": Directive(composing.parse, frozenset({"$else"})),
    "$json": Directive(composing.json),
    "$id": Directive(composing.id_, OF, OF),
    "$use": Directive(use, frozenset({"$with"})),
    "$extends": Directive(composing.extends, IN_OBJECTS, own_keys=True),
    "$drop": Directive(honesty.drop, OF, OF),
    "$emulate": Directive(honesty.emulate, OF | {"$item"}, frozenset({"$item"})),
    "$clamp": Directive(honesty.clamp, frozenset({"$min", "$max", "$in", "$else", "$reason"})),
    "$reject": Directive(honesty.reject, OF | {"$status"}),
    "$schema": Directive(
        honesty.schema, frozenset({"$profile", "$accepted"}), frozenset({"$profile"})
    ),
    "$literal": Directive(composing.literal, frozenset()),
}

_MODIFIERS = frozenset().union(*(each.modifiers for each in DIRECTIVES.values())) | IN_OBJECTS
