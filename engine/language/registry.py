"""Where functions of the language are declared: one decorator, one table.

A declaration holds what the load-time checks and the manual need (argument types, arity, a line of
documentation, an example that a test runs), so that adding a function is writing it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from engine.errors import EngineError

Call = Callable[..., Any]
Example = tuple[str, dict[str, Any], Any]
_F = TypeVar("_F", bound=Call)

# The words of declarations, with the Python types behind them.
_KINDS: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "list": (list,),
    "object": (dict,),
    "any": (object,),
}


# Return annotations of functions that never give a number.
_CONTAINERS = r"(str|bool|list\[.*\]|dict\[.*\])( \| None)?$"


class FunctionError(EngineError, TypeError):
    """A function was called with what it cannot take.

    ``name`` is the function, ``argument`` the number of the argument (from 1) or None, ``got`` the
    type that came. The value itself is never part of the message.
    """

    def __init__(self, name: str, reason: str, argument: int | None = None, got: str = "") -> None:
        self.name = name
        self.argument = argument
        self.got = got
        where = f"argument {argument} " if argument else ""
        super().__init__(f"{name}(): {where}{reason}")


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the language.

    ``call`` takes evaluated values and checks them against ``kinds``, one declaration an argument
    (``text``, ``object|list``); ``quick`` is the same for all ``max_args`` of them, ``plain``
    checks nothing. ``inline`` is Python code that does the same to ``{0}``, ``{1}``…, each used
    once; ``boolean``: it always gives true or false, ``container``: never a number.
    ``numbers``: the Python sign that does the same to two whole numbers. ``example`` is
    (expression, document, result).
    """

    name: str
    call: Call
    kinds: tuple[str, ...]
    min_args: int
    max_args: int
    doc: str
    example: Example
    takes_null: bool
    plain: Call
    quick: Call
    inline: str | None
    boolean: bool
    container: bool
    numbers: str | None


FUNCTIONS: dict[str, Function] = {}


def function(
    name: str,
    *kinds: str,
    example: Example,
    takes_null: bool = False,
    inline: str | None = None,
    numbers: str | None = None,
) -> Callable[[_F], _F]:
    """Register a function under ``name``, one kind an argument; a default makes it optional.

    Null for an argument that is not ``any`` gives null without a call, unless ``takes_null``.
    The function itself is returned as it was, unchecked, for use from Python.
    """

    def register(plain: _F) -> _F:
        parameters = inspect.signature(plain).parameters.values()
        required = sum(1 for each in parameters if each.default is each.empty)
        doc = (plain.__doc__ or "").strip().partition("\n")[0]
        call = _checked(name, kinds, required, plain, takes_null)
        gives = str(inspect.signature(plain).return_annotation)
        boolean = set(kinds) == {"any"} and gives == "bool"
        container = re.match(_CONTAINERS, gives) is not None
        quick = _quick(kinds, plain, call)
        FUNCTIONS[name] = Function(
            name,
            call,
            kinds,
            required,
            len(kinds),
            doc,
            example,
            takes_null,
            plain,
            quick,
            inline,
            boolean,
            container,
            numbers,
        )
        return plain

    return register


def kind_of(value: Any) -> str:
    """The word of the language for the type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    for kind in ("text", "number", "list", "object"):
        if isinstance(value, _KINDS[kind]):
            return kind
    return "expression"


def _checked(
    name: str, kinds: tuple[str, ...], required: int, plain: Call, takes_null: bool
) -> Call:
    fast = tuple(exact_types(kind) for kind in kinds)
    most = len(kinds)

    def call(*values: Any) -> Any:
        if not required <= len(values) <= most:
            span = str(most) if required == most else f"{required} to {most}"
            raise FunctionError(name, f"takes {span} arguments, not {len(values)}")
        for index, value in enumerate(values):
            exact = fast[index]
            if exact is None or type(value) in exact:
                continue
            if value is None:
                if takes_null:
                    continue
                return None
            if not _fits(value, kinds[index]):
                wanted, got = kinds[index].replace("|", " or "), kind_of(value)
                raise FunctionError(name, f"must be {wanted}, not {got}", index + 1, got)
        return plain(*values)

    return call


def _quick(kinds: tuple[str, ...], plain: Call, call: Call) -> Call:
    """The checks for one and two arguments unrolled; what is not the plain case goes to
    ``call``."""
    types = [exact_types(kind) for kind in kinds]
    if not any(types):
        return plain
    anything = frozenset(each for kinds in _KINDS.values() for each in kinds) | {type(None)}
    if len(types) == 1:
        only = types[0] or anything
        return lambda one: plain(one) if type(one) in only else call(one)
    if len(types) == 2:
        first, second = (each or anything for each in types)
        return lambda one, two: (
            plain(one, two) if type(one) in first and type(two) in second else call(one, two)
        )
    return call


def exact_types(kind: str) -> frozenset[type] | None:
    """The Python types of a kind, subclasses aside; None for any."""
    if kind == "any":
        return None
    return frozenset(each for word in kind.split("|") for each in _KINDS[word])


def _fits(value: Any, kind: str) -> bool:
    """The slow way, for subclasses; a boolean is no number although Python says so."""
    words = kind.split("|")
    if isinstance(value, bool):
        return "boolean" in words
    return any(isinstance(value, _KINDS[word]) for word in words)
