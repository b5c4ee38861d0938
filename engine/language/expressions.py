"""JMESPath to Python source.

The AST is that of ``jmespath.parser``; the semantics are those of its visitor, held by the
official compliance cases. Each node becomes one Python expression. Field reads of observed objects
are noted on their bindings, so the compiled mapping knows what it reads. Helpers named ``_x`` live
in :mod:`engine.language.runtime`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.language.functions import FUNCTIONS, STOCK, Function
from engine.language.reads import ELEMENT, LOOK, PLAIN, WHOLE, Binding, Branch, Path
from engine.language.registry import exact_types
from engine.language.scope import Name, Ref, Scope
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
_ORDER = {"lt": "_lt", "lte": "_lte", "gt": "_gt", "gte": "_gte"}
# Functions that say something about a value and pass nothing of it on.
_ASKING = frozenset({"length", "type"})
_SIGNS = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


@dataclass(frozen=True, slots=True)
class Code:
    """A Python expression, the path it reads, and what is known of its value.

    ``simple``: cheap and free of effects, may be written twice. ``boolean``: always True or False.
    ``never_null``: never None. ``whole``: always a whole number. ``plain``: never a number, so that
    Python calls it true where JMESPath does. ``name``: it is just that name.
    ``test``: Python code that is true where JMESPath calls the value true, when there is a shorter
    one than the general.
    """

    text: str
    ref: Ref | None = None
    simple: bool = False
    boolean: bool = False
    never_null: bool = False
    whole: bool = False
    plain: bool = False
    getter: str | None = None
    keys: frozenset[str] | None = None
    always: frozenset[str] = frozenset()
    test: str | None = None
    name: Name | None = None
    word: str = ""


# As a default these differ in nothing that a condition or a list function sees.
_EMPTY: tuple[Any, ...] = (None, "", [], {})


def _settled(ast: Ast, kind: str) -> bool:
    """Whether an argument is of the kind that a function takes, whatever the document says."""
    types = exact_types(kind)
    return types is None or (ast["type"] == "literal" and type(ast["value"]) in types)


def constant(value: Any) -> str:
    """Python source of a JSON value."""
    return repr(value)


class Expressions:
    """Compiles expressions for one generated module: hands out names and collects constants."""

    def __init__(self) -> None:
        self.temps = itertools.count(1)
        self.constants: dict[str, Any] = {}
        # the functions that are named, by where they are found
        self.calls: dict[str, tuple[str, ...]] = {}
        self.notes: list[Ref] = []
        # names whose values are the same for a whole document; worlds by their Python code
        self.lasting: dict[str, str] = {}
        self.worlds: dict[str, int] = {}
        # the names looked up since somebody began to listen
        self.used: set[str] = set()

    def temp(self, prefix: str = "t") -> str:
        """A Python name nobody else has."""
        return f"{prefix}{next(self.temps)}"

    def keep(self, value: Any, prefix: str = "c") -> str:
        """The name of a module constant with this value."""
        name = f"_{prefix}{next(self.temps)}"
        self.constants[name] = value
        return name

    # ---------------------------------------------------------------- what a value is used for

    def take(self, code: Code, scope: Scope) -> str:
        """The value is used as it is: all that is in it counts as read."""
        return self._note(code, scope, WHOLE)

    def plain(self, code: Code, scope: Scope) -> str:
        """The value is used as a text or a number: an object there would be of no use."""
        return self._note(code, scope, PLAIN)

    def look(self, code: Code, scope: Scope) -> str:
        """The value is only looked at (a condition, a loop): what is in it does not count as
        read."""
        return self._note(code, scope, LOOK)

    def _note(self, code: Code, scope: Scope, how: int) -> str:
        if code.ref is not None:
            if how == WHOLE and (code.ref.binding, code.ref.path) in scope.texts:
                how = PLAIN
            code.ref.binding.read(code.ref.path, scope.branch, how)
            self.notes.append(code.ref)
        return code.text

    def truth(self, code: Code, scope: Scope) -> str:
        """Python code that is true where JMESPath calls the value true."""
        text = self.look(code, scope)
        return code.test or self._true(text, code)

    def _true(self, text: str, code: Code) -> str:
        if code.boolean or code.plain:
            return text
        return f"({self._held(code, *self._bound(text))})"

    def _held(self, code: Code, value: str, bound: str) -> str:
        # everything empty is false in both languages, but a zero only in Python
        if code.plain:
            return f"({bound})"
        return f"({bound}) is not None and ({value} or {value} == 0 and {value} is not False)"

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
        value, bound = self._bound(current.text)
        return Code(f"({value}.get({key!r}) if type({bound}) is dict else None)", ref)

    def _bound(self, text: str) -> tuple[str, str]:
        """A name for a value, and the code that binds it, to be evaluated first."""
        if text.isidentifier():
            return text, text
        temp = self.temp()
        return temp, f"{temp} := {text}"

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
        value, bound = self._bound(source.text)
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
            return Code(f"_each({self.take(inner, scope)}, {right['value']!r})", plain=True)
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
        value, bound = self._bound(source.text)
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
        if operator in _ORDER:
            text = self._ordered(operator, left, right)
            return Code(text, test=text)
        equal = self._equal(ast["children"], one, other, operator == "eq")
        return Code(equal, boolean=True, never_null=True)

    def _ordered(self, operator: str, left: Code, right: Code) -> str:
        """An order; quick for whole numbers."""
        one, tests = left.text, []
        if not left.whole:
            one, bound = self._bound(left.text)
            tests.append(f"type({bound}) is int")
        other, again = right.text, right.text
        if not right.whole:
            other, bound = self._bound(right.text)
            tests.append(f"type({bound}) is int")
            # the name is bound only where the tests before hold
            again = right.text if not left.whole else other
        quick = f"{one} {_SIGNS[operator]} {other}"
        if not tests:
            return f"({quick})"
        general = f"{_ORDER[operator]}({one}, {again})"
        return f"({quick} if {' and '.join(tests)} else {general})"

    def _equal(self, children: list[Ast], one: str, other: str, positive: bool) -> str:
        """Equality as Python's where that is the same: true is not 1 in JSON."""
        sign = "==" if positive else "!="
        known = [child["value"] for child in children if child["type"] == "literal"]
        if any(value is None for value in known):
            return f"({one} {'is' if positive else 'is not'} {other})"
        if any(isinstance(value, str | list | dict) for value in known):
            return f"({one} {sign} {other})"
        if known:
            given = one if children[1]["type"] == "literal" else other
            return self._equals(given, known[0], positive)
        left, bound_left = self._bound(one)
        right, bound_right = self._bound(other)
        # equal for Python, true and 1 are not for JSON
        same = f"type({left}) is type({right}) or _eq({left}, {right})"
        return f"({'' if positive else 'not '}(({bound_left}) == ({bound_right}) and ({same})))"

    def _equals(self, text: str, value: Any, positive: bool) -> str:
        """Equality with a literal true, false or number."""
        if isinstance(value, bool):
            return f"({text} {'is' if positive else 'is not'} {value})"
        if value not in (0, 1):
            return f"({text} {'==' if positive else '!='} {value!r})"
        name, bound = self._bound(text)
        same = f"({bound}) == {value!r} and {name} is not {bool(value)}"
        return f"({same})" if positive else f"(not ({same}))"

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
        test = f"({self._tested(left)} {word} {self._tested(right)})"
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
        value, bound = self._bound(one)
        held, missed = (value, other) if word == "or" else (other, value)
        return Code(f"({held} if {self._held(left, value, bound)} else {missed})", test=test)

    def _tested(self, code: Code) -> str:
        return code.test or self._true(code.text, code)

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
        value, bound = self._bound(self.look(current, scope))
        inner = Code(value, current.ref, True, keys=current.keys, word=current.word)
        return Code(f"({build(inner)} if ({bound}) is not None else None)")

    def _pipe(self, ast: Ast, scope: Scope, current: Code | None) -> Code:
        left, right = ast["children"]
        source = self.node(left, scope, current)
        value, bound = self._bound(source.text)
        body = self.node(
            right, scope, Code(value, source.ref, True, keys=source.keys, word=source.word)
        )
        self.look(source, scope)
        text = body.text if value == bound else f"(({bound}), {body.text})[1]"
        return Code(text, body.ref)

    def _function_expression(self, ast: Ast, scope: Scope, current: Code | None) -> Code:
        name = ast["value"]
        arguments = [self.node(child, scope, current) for child in ast["children"]]
        if name == "look" and len(arguments) == 2 and arguments[0].ref is not None:
            return self._looked(ast["children"][1], arguments, scope)
        own = FUNCTIONS.get(name)
        asking = own.boolean if own is not None else name in _ASKING
        texts = [(self.look if asking else self.take)(each, scope) for each in arguments]
        if own is not None:
            self._arity(name, len(texts), own.min_args, own.max_args)
            return self._own(own, ast["children"], arguments, texts)
        if name not in STOCK:
            known = {*FUNCTIONS, *STOCK}
            raise ExpressionError(f"unknown function {name}(){suggest(name, known)}")
        if name == "not_null" and texts:
            text = texts[-1]
            for each in reversed(texts[:-1]):
                value, bound = self._bound(each)
                text = f"({value} if ({bound}) is not None else {text})"
            return Code(text, never_null=arguments[-1].never_null)
        call = self._callable("f", "stock", name)
        if name == "length" and len(texts) == 1:
            value, bound = self._bound(texts[0])
            text = f"(len({value}) if type({bound}) is list else {call}({value}))"
            return Code(text, never_null=True, whole=True)
        return Code(f"{call}({', '.join(texts)})")

    def _looked(self, written: Ast, arguments: list[Code], scope: Scope) -> Code:
        """``look()`` into an observed object: only what its paths say counts as read there. They
        are asked for again at the end of the object, so nothing local may stand in them."""
        ref = arguments[0].ref
        assert ref is not None
        for word in names_in(written):
            if scope.names[word].code != word or scope.names[word].ref is not None:
                raise ExpressionError(
                    f"the paths of look() come from what a rule is given, like ctx, not from {word}"
                )
        paths = self.take(arguments[1], scope)
        ref.binding.look(ref.path, scope.branch, paths)
        if ref.path:
            # that it is somewhere in the whole document tells a trace nothing
            self.notes.append(ref)
        call = self._callable("q", "function", "look", "quick")
        return Code(f"{call}({arguments[0].text}, {paths})")

    def _own(
        self, own: Function, written: list[Ast], arguments: list[Code], texts: list[str]
    ) -> Code:
        """A call of a function of the language, with the checks that are quick done in place."""
        if own.inline is not None:
            return Code(own.inline.format(*texts), boolean=own.boolean, never_null=own.boolean)
        checked = self._callable("f", "function", own.name, "call")
        settled = all(map(_settled, written[1:], own.kinds[1:]))
        types = exact_types(own.kinds[0]) if own.kinds else None
        if types and settled and not own.takes_null:
            # only the first argument is left to be looked at
            plain = self._callable("p", "function", own.name, "plain")
            value, bound = self._bound(texts[0])
            first, *others = sorted(each.__name__ for each in types)
            test = f"type({bound}) is {first}"
            test += "".join(f" or type({value}) is {each}" for each in others)
            rest = "".join(f", {text}" for text in texts[1:])
            text = f"({plain}({value}{rest}) if {test} else {checked}({value}{rest}))"
            return Code(text, plain=own.container)
        call = checked
        if len(texts) == own.max_args:
            call = self._callable("q", "function", own.name, "quick")
        if own.numbers is not None:
            return Code(self._numbers(own.numbers, call, texts, arguments))
        if own.takes_null or own.kinds[0] == "any" or arguments[0].never_null:
            return Code(f"{call}({', '.join(texts)})", plain=own.container)
        value, bound = self._bound(texts[0])
        rest = "".join(f", {text}" for text in texts[1:])
        text = f"({call}({value}{rest}) if ({bound}) is not None else None)"
        return Code(text, plain=own.container)

    def _numbers(self, sign: str, call: str, texts: list[str], arguments: list[Code]) -> str:
        """A sum or the like; quick for whole numbers."""
        (one, bound), (other, other_bound) = self._bound(texts[0]), self._bound(texts[1])
        # both are bound before either is tested: the call needs them, too
        named = zip((one, other), arguments, strict=True)
        tests = [f"type({name}) is int" for name, code in named if not code.whole]
        if not tests:
            return f"({texts[0]} {sign} {texts[1]})"
        quick = f"{one} {sign} {other} if {' and '.join(tests)} else {call}({one}, {other})"
        before = [each for each, name in ((bound, one), (other_bound, other)) if each != name]
        return f"(({', '.join(before)}), {quick})[-1]" if before else f"({quick})"

    def _arity(self, name: str, given: int, least: int, most: int | None) -> None:
        if given < least or (most is not None and given > most):
            wanted = str(least) if most == least else f"{least} to {most if most else 'any number'}"
            plural = "" if wanted == "1" else "s"
            raise ExpressionError(f"{name}() takes {wanted} argument{plural}, not {given}")

    def call(self, prefix: str, *found: str) -> str:
        """The name of a function nobody else names; ``found`` says where it is."""
        name = f"_{prefix}{next(self.temps)}"
        self.calls[name] = found
        return name

    def _callable(self, how: str, *found: str) -> str:
        word = f"_{how}_{found[1]}"
        self.calls[word] = found
        return word

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
            constant(value),
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
