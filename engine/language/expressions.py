"""JMESPath to Python source.

The AST is that of ``jmespath.parser``; the semantics are those of its visitor, held by the official compliance cases.
Each node becomes one Python expression. Field reads of observed objects are noted on their bindings, so the compiled
mapping knows what it reads. Helpers named ``_x`` live in :mod:`engine.language.runtime`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jmespath.exceptions
import jmespath.parser

from engine.language.functions import FUNCTIONS, STOCK, stock
from engine.language.reads import ELEMENT
from engine.language.scope import Ref, Scope
from engine.language.source import suggest

Ast = dict[str, Any]

_ORDER = {"lt": "_lt", "lte": "_lte", "gt": "_gt", "gte": "_gte"}


class ExpressionError(Exception):
    """An expression does not hold; ``offset`` counts characters from its beginning."""

    def __init__(self, message: str, offset: int = 0) -> None:
        self.message = message
        self.offset = offset
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Code:
    """A Python expression, the path it reads, and what is known of its value.

    ``simple``: cheap and free of effects, may be written twice. ``boolean``: always True or False.
    ``never_null``: never None.
    """

    text: str
    ref: Ref | None = None
    simple: bool = False
    boolean: bool = False
    never_null: bool = False
    getter: str | None = None
    keys: frozenset[str] | None = None
    always: frozenset[str] = frozenset()


def parse(text: str) -> Ast:
    """The AST of an expression. Raises ExpressionError."""
    try:
        return jmespath.parser.Parser().parse(text).parsed  # type: ignore[no-any-return]
    except jmespath.exceptions.LexerError as error:
        raise ExpressionError(f"{error.message}", error.lexer_position) from None
    except jmespath.exceptions.EmptyExpressionError:
        raise ExpressionError("an expression is missing here") from None
    except jmespath.exceptions.ParseError as error:
        token = error.token_value or "the end"
        raise ExpressionError(f"not an expression at {token!r}", error.lex_position) from None


def constant(value: Any) -> str:
    """Python source of a JSON value."""
    return repr(value)


class Expressions:
    """Compiles expressions for one generated module: hands out names and collects constants."""

    def __init__(self) -> None:
        self.temps = itertools.count(1)
        self.constants: dict[str, Any] = {}
        self.notes: list[Ref] = []

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
        return self._note(code, scope, whole=True)

    def look(self, code: Code, scope: Scope) -> str:
        """The value is only looked at (a condition, a loop): what is in it does not count as read."""
        return self._note(code, scope, whole=False)

    def _note(self, code: Code, scope: Scope, whole: bool) -> str:
        if code.ref is not None:
            code.ref.binding.read(code.ref.path, scope.branch, whole)
            self.notes.append(code.ref)
        return code.text

    def truth(self, code: Code, scope: Scope) -> str:
        """Python code that is true where JMESPath calls the value true."""
        text = self.look(code, scope)
        return text if code.boolean else f"_true({text})"

    # ---------------------------------------------------------------- nodes

    def expression(self, text: str, scope: Scope) -> Code:
        """Compile one expression that starts from the names of ``scope``."""
        return self.node(parse(text), scope, None, True)

    def search(self, text: str) -> str:
        """Compile an expression over one document named ``doc``: the form of the compliance cases."""
        code = self.node(parse(text), Scope({}), Code("doc", simple=True), False)
        return code.text

    def node(self, ast: Ast, scope: Scope, current: Code | None, inline: bool) -> Code:
        """Code of one AST node. ``current`` None: names are looked up in the scope.

        ``inline``: assignment expressions are allowed here (not inside comprehensions and lambdas).
        """
        method = getattr(self, f"_{ast['type']}")
        return method(ast, scope, current, inline)  # type: ignore[no-any-return]

    def _field(self, ast: Ast, scope: Scope, current: Code | None, inline: bool) -> Code:
        key = ast["value"]
        if current is None:
            name = scope.names.get(key)
            if name is None:
                raise ExpressionError(f"unknown name {key}{suggest(key, scope.names)}")
            return Code(
                name.code, name.ref, True, getter=name.getter, keys=name.keys, always=name.always
            )
        if current.keys is not None and key not in current.keys:
            raise ExpressionError(f"{current.text} has no {key}{suggest(key, current.keys)}")
        ref = current.ref.down(key) if current.ref else None
        if key in current.always:
            return Code(f"{current.text}[{key!r}]", ref, True)
        if current.getter:
            return Code(f"{current.getter}({key!r})", ref, True)
        if inline and not current.simple:
            temp = self.temp()
            return Code(
                f"({temp}.get({key!r}) if type({temp} := {current.text}) is dict else None)", ref
            )
        if inline and current.text.isidentifier():
            return Code(
                f"({current.text}.get({key!r}) if type({current.text}) is dict else None)", ref
            )
        if inline:
            temp = self.temp()
            return Code(
                f"({temp}.get({key!r}) if type({temp} := {current.text}) is dict else None)", ref
            )
        return Code(f"_field({current.text}, {key!r})", ref)

    def _subexpression(self, ast: Ast, scope: Scope, current: Code | None, inline: bool) -> Code:
        code = current
        for child in ast["children"]:
            code = self.node(child, scope, code, inline)
        assert code is not None
        return code

    _index_expression = _subexpression

    def _index(self, ast: Ast, scope: Scope, current: Code | None, inline: bool) -> Code:
        value = self._here(current)
        ref = value.ref.down(ELEMENT) if value.ref else None
        return Code(f"_index({value.text}, {ast['value']!r})", ref)

    def _slice(self, ast: Ast, scope: Scope, current: Code | None, inline: bool) -> Code:
        value = self._here(current)
        if ast["children"][2] == 0:
            raise ExpressionError("the step of a slice must not be 0")
        parts = ", ".join("None" if part is None else repr(part) for part in ast["children"])
        return Code(f"_slice({value.text}, {parts})", value.ref)

    def _projection(self, ast: Ast, scope: Scope, current: Code | None, inline: bool) -> Code:
        left, right = ast["children"]
        source = self.node(left, scope, current, False)
        if right["type"] == "identity":
            return Code(f"_present({source.text})", source.ref)
        return self._project("_project", source, right, scope)

    def _value_projection(self, ast: Ast, scope: Scope, current: Code | None, inline: bool) -> Code:
        left, right = ast["children"]
        source = self.node(left, scope, current, False)
        values = Code(f"_values({self.look(source, scope)})", self._whole(source, scope))
        return self._project("_project", values, right, scope)

    def _filter_projection(
        self, ast: Ast, scope: Scope, current: Code | None, inline: bool
    ) -> Code:
        left, right, condition = ast["children"]
        source = self.node(left, scope, current, False)
        name, element = self._element(source)
        test = self.truth(self.node(condition, scope, element, False), scope)
        kept = Code(f"_filter({source.text}, lambda {name}: {test})", source.ref)
        if right["type"] == "identity":
            return kept
        return self._project("_project", kept, right, scope)

    def _project(self, helper: str, source: Code, right: Ast, scope: Scope) -> Code:
        self.look(source, scope)
        name, element = self._element(source)
        body = self.node(right, scope, element, False)
        text = f"{helper}({source.text}, lambda {name}: {body.text})"
        return Code(text, body.ref)

    def _element(self, source: Code) -> tuple[str, Code]:
        name = self.temp("e")
        return name, Code(name, source.ref.down(ELEMENT) if source.ref else None, True)

    def _flatten(self, ast: Ast, scope: Scope, current: Code | None, inline: bool) -> Code:
        source = self.node(ast["children"][0], scope, current, False)
        # an element of the flattened list may be an element of an element: taken whole
        return Code(f"_flatten({self.take(source, scope)})")

    def _comparator(self, ast: Ast, scope: Scope, current: Code | None, inline: bool) -> Code:
        left, right = (self.node(child, scope, current, inline) for child in ast["children"])
        operator = ast["value"]
        one, other = self.take(left, scope), self.take(right, scope)
        if operator in _ORDER:
            return Code(f"{_ORDER[operator]}({one}, {other})")
        plain = any(
            child["type"] == "literal" and isinstance(child["value"], str | None)
            for child in ast["children"]
        )
        if plain:
            sign = "==" if operator == "eq" else "!="
            if one == "None" or other == "None":
                sign = "is" if operator == "eq" else "is not"
            return Code(f"({one} {sign} {other})", boolean=True, never_null=True)
        negation = "" if operator == "eq" else "not "
        return Code(f"({negation}_eq({one}, {other}))", boolean=True, never_null=True)

    def _or_expression(self, ast: Ast, scope: Scope, current: Code | None, inline: bool) -> Code:
        return self._either(ast, scope, current, inline, "or", "_or")

    def _and_expression(self, ast: Ast, scope: Scope, current: Code | None, inline: bool) -> Code:
        return self._either(ast, scope, current, inline, "and", "_and")

    def _either(
        self, ast: Ast, scope: Scope, current: Code | None, inline: bool, word: str, helper: str
    ) -> Code:
        left, right = (self.node(child, scope, current, inline) for child in ast["children"])
        if left.boolean and right.boolean:
            return Code(f"({left.text} {word} {right.text})", boolean=True, never_null=True)
        one, other = self._note(left, scope, True), self._note(right, scope, True)
        return Code(f"{helper}({one}, lambda: {other})")

    def _not_expression(self, ast: Ast, scope: Scope, current: Code | None, inline: bool) -> Code:
        code = self.node(ast["children"][0], scope, current, inline)
        return Code(f"(not {self.truth(code, scope)})", boolean=True, never_null=True)

    def _multi_select_list(
        self, ast: Ast, scope: Scope, current: Code | None, inline: bool
    ) -> Code:
        def build(value: Code | None, inner: bool) -> str:
            items = [self.node(child, scope, value, inner) for child in ast["children"]]
            return f"[{', '.join(self.take(item, scope) for item in items)}]"

        return self._select(build, scope, current, inline)

    def _multi_select_dict(
        self, ast: Ast, scope: Scope, current: Code | None, inline: bool
    ) -> Code:
        def build(value: Code | None, inner: bool) -> str:
            pairs = [
                (child["value"], self.node(child["children"][0], scope, value, inner))
                for child in ast["children"]
            ]
            body = ", ".join(f"{key!r}: {self.take(code, scope)}" for key, code in pairs)
            return f"{{{body}}}"

        return self._select(build, scope, current, inline)

    def _select(
        self,
        build: Callable[[Code | None, bool], str],
        scope: Scope,
        current: Code | None,
        inline: bool,
    ) -> Code:
        if current is None:
            return Code(build(None, inline), never_null=True)
        name = self.temp("s")
        value = Code(name, current.ref, True, keys=current.keys)
        self.look(current, scope)
        return Code(f"_unless_null({current.text}, lambda {name}: {build(value, False)})")

    def _pipe(self, ast: Ast, scope: Scope, current: Code | None, inline: bool) -> Code:
        left, right = ast["children"]
        source = self.node(left, scope, current, False)
        name = self.temp("s")
        body = self.node(right, scope, Code(name, source.ref, True, keys=source.keys), False)
        self.look(source, scope)
        return Code(f"(lambda {name}: {body.text})({source.text})", body.ref)

    def _function_expression(
        self, ast: Ast, scope: Scope, current: Code | None, inline: bool
    ) -> Code:
        name = ast["value"]
        arguments = [self.node(child, scope, current, False) for child in ast["children"]]
        texts = [self.take(argument, scope) for argument in arguments]
        own = FUNCTIONS.get(name)
        if own is not None:
            self._arity(name, len(texts), own.min_args, own.max_args)
            return Code(f"{self._callable(name, own.call)}({', '.join(texts)})")
        if name not in STOCK:
            known = {*FUNCTIONS, *STOCK}
            raise ExpressionError(f"unknown function {name}(){suggest(name, known)}")
        return Code(f"{self._callable(name, stock(name))}({', '.join(texts)})")

    def _arity(self, name: str, given: int, least: int, most: int | None) -> None:
        if given < least or (most is not None and given > most):
            wanted = str(least) if most == least else f"{least} to {most if most else 'any number'}"
            raise ExpressionError(f"{name}() takes {wanted} arguments, not {given}")

    def _callable(self, name: str, call: Callable[..., Any]) -> str:
        self.constants[f"_f_{name}"] = call
        return f"_f_{name}"

    def _expref(self, ast: Ast, scope: Scope, current: Code | None, inline: bool) -> Code:
        name = self.temp("e")
        body = self.node(ast["children"][0], scope, Code(name, None, True), False)
        return Code(f"(lambda {name}: {body.text})")

    def _literal(self, ast: Ast, scope: Scope, current: Code | None, inline: bool) -> Code:
        value = ast["value"]
        if isinstance(value, dict | list):
            return Code(self.keep(value), simple=True, never_null=True)
        return Code(
            constant(value),
            simple=True,
            never_null=value is not None,
            boolean=isinstance(value, bool),
        )

    def _current(self, ast: Ast, scope: Scope, current: Code | None, inline: bool) -> Code:
        return self._here(current)

    _identity = _current

    def _here(self, current: Code | None) -> Code:
        if current is None:
            raise ExpressionError("an expression starts from a name here, not from @ or [ ]")
        return current

    def _whole(self, source: Code, scope: Scope) -> Ref | None:
        if source.ref is not None:
            source.ref.binding.read(source.ref.path, scope.branch, True)
        return None
