"""JMESPath to Python source.

The AST is that of ``jmespath.parser``; the semantics are those of its visitor, held by the
official compliance cases. Each node becomes one Python expression. Field reads of observed objects
are noted on their bindings, so the compiled mapping knows what it reads. Helpers named ``_x`` live
in :mod:`engine.language.runtime`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from engine.language.calling import called
from engine.language.codes import Code, Codes
from engine.language.comparing import ORDER, equal, ordered
from engine.language.reads import ELEMENT, WHOLE, Binding, Branch, Path
from engine.language.scope import Ref, Scope
from engine.language.source import suggest
from engine.language.syntax import (
    Ast,
    ExpressionError,
    conjuncts,
    is_bare,
    meant,
    names_in,
    parse,
)

_EITHER = {"or_expression": "or", "and_expression": "and"}
# As a default these differ in nothing that a condition or a list function sees.
_EMPTY: tuple[Any, ...] = (None, "", [], {})


class Expressions(Codes):
    """Compiles the expressions of one generated module."""

    def __init__(self) -> None:
        super().__init__()
        # names whose values are the same for a whole document; worlds by their Python code
        self.lasting: dict[str, str] = {}
        self.worlds: dict[str, int] = {}
        # the names looked up since somebody began to listen
        self.used: set[str] = set()

    # ---------------------------------------------------------------- what a condition tells

    def told_by(self, ast: Ast, scope: Scope) -> tuple[Branch, frozenset[tuple[Binding, Path]]]:
        """What holds where a condition does: the worlds, and what is a text then."""
        worlds: list[tuple[int, int]] = []
        texts: list[tuple[Binding, Path]] = []
        for each, holds in conjuncts(ast, True):
            world = self.world(each, scope)
            if world is not None:
                worlds.append((world[0], world[1] if holds else 1 - world[1]))
            elif holds and each["type"] == "function_expression" and each["value"] == "is_text":
                code = self.node(each["children"][0], scope, None)
                if code.ref is not None:
                    texts.append((code.ref.binding, code.ref.path))
        return tuple(worlds), frozenset(texts)

    def world(self, ast: Ast, scope: Scope) -> tuple[int, int] | None:
        """The world that a condition asks for: two things that are the same for a whole document
        are equal, or are not."""
        if ast["type"] == "field":
            name = scope.names.get(ast["value"])
            return name.world if name is not None else None
        if ast["type"] != "comparator" or ast["value"] not in ("eq", "ne"):
            return None
        names = [each for child in ast["children"] for each in names_in(child)]
        if len(names) != 2 or any(
            word not in self.lasting or scope.names[word].code != self.lasting[word]
            for word in names
        ):
            return None
        left, right = (self.node(child, scope, None).text for child in ast["children"])
        if ":=" in left + right:
            return None
        number = self.worlds.setdefault(f"{left} == {right}", -1 - len(self.worlds))
        return number, int(ast["value"] == "eq")

    # ---------------------------------------------------------------- nodes

    def expression(self, text: str, scope: Scope, asked: bool = False) -> Code:
        """Compile one expression that starts from the names of ``scope``. ``asked``: only whether
        it is true is wanted."""
        ast = meant(text)
        return self._asked(ast, scope, None) if asked else self.node(ast, scope, None)

    def search(self, text: str) -> str:
        """Compile an expression over one document named ``doc``: the form of the compliance
        cases."""
        code = self.node(parse(text), Scope({}), Code("doc", simple=True))
        return code.text

    def node(self, ast: Ast, scope: Scope, current: Code | None) -> Code:
        """Code of one AST node. ``current`` None: names are looked up in the scope.

        Values used twice are bound by assignment expressions. Python forbids these in what a
        comprehension iterates over, so that is always a name bound before.
        """
        method = getattr(self, f"_{ast['type']}")
        return method(ast, scope, current)  # type: ignore[no-any-return]

    def _field(self, ast: Ast, scope: Scope, current: Code | None) -> Code:
        key = ast["value"]
        if current is None:
            name = scope.names.get(key)
            if name is None:
                raise ExpressionError(f"unknown name {key}{suggest(key, scope.names)}")
            self.used.add(key)
            return Code(
                name.code,
                name.ref,
                True,
                getter=name.getter,
                keys=name.keys,
                always=name.always,
                word=key,
                whole=name.whole,
                plain=name.plain,
                name=name,
            )
        return self.below(current, key)

    def below(self, current: Code, key: str) -> Code:
        """Code of one key of a value."""
        if current.keys is not None and key not in current.keys:
            raise ExpressionError(f"{current.word} has no {key}{suggest(key, current.keys)}")
        ref = current.ref.down(key) if current.ref else None
        if key in current.always:
            return Code(f"{current.text}[{key!r}]", ref, True)
        if current.getter:
            return Code(f"{current.getter}({key!r})", ref, True)
        value, bound = self.bound(current.text)
        return Code(f"({value}.get({key!r}) if type({bound}) is dict else None)", ref)

    def _subexpression(self, ast: Ast, scope: Scope, current: Code | None) -> Code:
        code = current
        for child in ast["children"]:
            code = self.node(child, scope, code)
        assert code is not None
        return code

    _index_expression = _subexpression

    def _index(self, ast: Ast, scope: Scope, current: Code | None) -> Code:
        source = self._here(current)
        position = ast["value"]
        shown = f"[{position}]" if position >= 0 else ELEMENT
        ref = source.ref.down(ELEMENT, shown) if source.ref else None
        if position < -1:
            return Code(f"_index({source.text}, {position!r})", ref)
        value, bound = self.bound(source.text)
        there = value if position < 1 else f"len({value}) > {position}"
        return Code(f"({value}[{position}] if type({bound}) is list and {there} else None)", ref)

    def _slice(self, ast: Ast, scope: Scope, current: Code | None) -> Code:
        value = self._here(current)
        if ast["children"][2] == 0:
            raise ExpressionError("the step of a slice must not be 0")
        parts = ", ".join("None" if part is None else repr(part) for part in ast["children"])
        return Code(f"_slice({value.text}, {parts})", value.ref)

    def _projection(self, ast: Ast, scope: Scope, current: Code | None) -> Code:
        left, right = ast["children"]
        if left["type"] == "flatten" and right["type"] == "field":
            inner = self.node(left["children"][0], scope, current)
            ref = inner.ref.down(ELEMENT).down(right["value"]) if inner.ref else None
            return Code(f"_each({self.look(inner, scope)}, {right['value']!r})", ref, plain=True)
        source = self.node(left, scope, current)
        if right["type"] == "identity":
            return Code(f"_present({source.text})", source.ref, plain=True)
        return self._project(source, right, scope)

    def _value_projection(self, ast: Ast, scope: Scope, current: Code | None) -> Code:
        left, right = ast["children"]
        source = self.node(left, scope, current)
        values = Code(f"_values({self.look(source, scope)})", self._whole(source, scope))
        return self._project(values, right, scope)

    def _filter_projection(self, ast: Ast, scope: Scope, current: Code | None) -> Code:
        left, right, condition = ast["children"]
        source = self.node(left, scope, current)
        return self._project(source, right, scope, condition)

    def _project(
        self, source: Code, right: Ast, scope: Scope, condition: Ast | None = None
    ) -> Code:
        """The results over a list that are not null, of the elements that pass; null for what is
        no list."""
        name = self.temp("e")
        element = Code(name, source.ref.down(ELEMENT) if source.ref else None, True)
        test = ""
        if condition is not None:
            holds = self.truth(self._asked(condition, scope, element), scope)
            test = f" if {name} is not None and {holds}"
        value, bound = self.bound(source.text)
        if right["type"] == "identity":
            text = f"[{name} for {name} in {value}{test}]"
            return Code(f"({text} if type({bound}) is list else None)", source.ref, plain=True)
        self.look(source, scope)
        body = self.node(right, scope, element)
        result = self.temp()
        present = f"{' and' if test else ' if'} ({result} := {body.text}) is not None"
        text = f"[{result} for {name} in {value}{test}{present}]"
        return Code(f"({text} if type({bound}) is list else None)", body.ref, plain=True)

    def _flatten(self, ast: Ast, scope: Scope, current: Code | None) -> Code:
        source = self.node(ast["children"][0], scope, current)
        # an element of the flattened list may be an element of an element: taken whole
        return Code(f"_flatten({self.take(source, scope)})", plain=True)

    def _comparator(self, ast: Ast, scope: Scope, current: Code | None) -> Code:
        left, right = (self.node(child, scope, current) for child in ast["children"])
        operator = ast["value"]
        # whether something is there, or is empty, tells nothing of what is in it
        bare = any(is_bare(child) for child in ast["children"])
        one, other = ((self.look if bare else self.plain)(each, scope) for each in (left, right))
        if operator in ORDER:
            text = ordered(self, operator, left, right)
            return Code(text, test=text)
        text = equal(self, ast["children"], one, other, operator == "eq")
        return Code(text, boolean=True, never_null=True)

    def _or_expression(self, ast: Ast, scope: Scope, current: Code | None) -> Code:
        return self._either(ast, scope, current, "or")

    def _and_expression(self, ast: Ast, scope: Scope, current: Code | None) -> Code:
        return self._either(ast, scope, current, "and")

    def _asked(self, ast: Ast, scope: Scope, current: Code | None) -> Code:
        """Code of an AST node of which only whether it is true is wanted: what is in a value that
        is there does not count as read."""
        word = _EITHER.get(ast["type"])
        if word is None:
            return self.node(ast, scope, current)
        return self._either(ast, scope, current, word, asked=True)

    def _either(
        self, ast: Ast, scope: Scope, current: Code | None, word: str, asked: bool = False
    ) -> Code:
        """``||`` and ``&&``: the first side decides which side's value it is."""
        node = self._asked if asked else self.node
        left, right = (node(child, scope, current) for child in ast["children"])
        # of what has to be there for the other to count nothing is passed on
        one = (self.look if asked or word == "and" else self.take)(left, scope)
        other = (self.look if asked else self.take)(right, scope)
        test = f"({self.tested(left)} {word} {self.tested(right)})"
        if left.boolean:
            return Code(
                f"({one} {word} {other})",
                boolean=right.boolean,
                plain=right.boolean or right.plain,
                test=test,
            )
        default = ast["children"][1]
        literal = default["type"] == "literal" and default["value"] not in _EMPTY
        if word == "or" and scope.names and literal:
            raise ExpressionError(
                '|| is no default: false, "" and [] give way, too; take $value with $else,'
                " or not_null()"
            )
        value, bound = self.bound(one)
        held, missed = (value, other) if word == "or" else (other, value)
        return Code(f"({held} if {self.held(left, value, bound)} else {missed})", test=test)

    def _not_expression(self, ast: Ast, scope: Scope, current: Code | None) -> Code:
        code = self._asked(ast["children"][0], scope, current)
        return Code(f"(not {self.truth(code, scope)})", boolean=True, never_null=True)

    def _multi_select_list(self, ast: Ast, scope: Scope, current: Code | None) -> Code:
        def build(value: Code | None) -> str:
            items = [self.node(child, scope, value) for child in ast["children"]]
            return f"[{', '.join(self.take(item, scope) for item in items)}]"

        return self._select(build, scope, current)

    def _multi_select_dict(self, ast: Ast, scope: Scope, current: Code | None) -> Code:
        def build(value: Code | None) -> str:
            pairs = [
                (child["value"], self.node(child["children"][0], scope, value))
                for child in ast["children"]
            ]
            body = ", ".join(f"{key!r}: {self.take(code, scope)}" for key, code in pairs)
            return f"{{{body}}}"

        return self._select(build, scope, current)

    def _select(
        self, build: Callable[[Code | None], str], scope: Scope, current: Code | None
    ) -> Code:
        if current is None:
            return Code(build(None), never_null=True)
        value, bound = self.bound(self.look(current, scope))
        inner = Code(value, current.ref, True, keys=current.keys, word=current.word)
        return Code(f"({build(inner)} if ({bound}) is not None else None)")

    def _pipe(self, ast: Ast, scope: Scope, current: Code | None) -> Code:
        left, right = ast["children"]
        source = self.node(left, scope, current)
        value, bound = self.bound(source.text)
        body = self.node(
            right, scope, Code(value, source.ref, True, keys=source.keys, word=source.word)
        )
        self.look(source, scope)
        text = body.text if value == bound else f"(({bound}), {body.text})[1]"
        return Code(text, body.ref)

    def _function_expression(self, ast: Ast, scope: Scope, current: Code | None) -> Code:
        arguments = [self.node(child, scope, current) for child in ast["children"]]
        return called(self, ast, arguments, scope)

    def _expref(self, ast: Ast, scope: Scope, current: Code | None) -> Code:
        name = self.temp("e")
        body = self.node(ast["children"][0], scope, Code(name, None, True))
        return Code(f"(lambda {name}: {body.text})")

    def _literal(self, ast: Ast, scope: Scope, current: Code | None) -> Code:
        value = ast["value"]
        if isinstance(value, float) and not math.isfinite(value):
            raise ExpressionError("NaN and Infinity are no JSON")
        if isinstance(value, dict | list):
            return Code(self.keep(value), simple=True, never_null=True)
        return Code(
            repr(value),
            simple=True,
            never_null=value is not None,
            boolean=isinstance(value, bool),
            whole=type(value) is int,
        )

    def _current(self, ast: Ast, scope: Scope, current: Code | None) -> Code:
        return self._here(current)

    _identity = _current

    def _here(self, current: Code | None) -> Code:
        if current is None:
            raise ExpressionError("an expression starts from a name here, not from @ or [ ]")
        return current

    def _whole(self, source: Code, scope: Scope) -> Ref | None:
        if source.ref is not None:
            source.ref.binding.read(source.ref.path, scope.branch, WHOLE)
        return None
