"""JMESPath's own functions as plain Python callables, behaving exactly as in the jmespath package.

Expression references arrive as Python callables. What the package lets escape as a bare error
(``merge(a, null)``, ``sort_by`` over mixed types in 1.1.0) becomes a JMESPathTypeError like every
other wrong type.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from jmespath import exceptions
from jmespath.functions import TYPES_MAP, Functions

Call = Callable[..., Any]

_functions = Functions()
_TABLE: dict[str, dict[str, Any]] = Functions.FUNCTION_TABLE

STOCK: frozenset[str] = frozenset(_TABLE)


# jmespath knows an expression reference by the name of its class.
class _Expression:
    expression = None

    def __init__(self, call: Call) -> None:
        self._call = call

    def visit(self, _: None, element: Any) -> Any:
        return self._call(element)


def arity(name: str) -> tuple[int, int | None]:
    """Fewest and most arguments of a stock function; None is any number."""
    signature = _TABLE[name]["signature"]
    return len(signature), None if signature and signature[-1].get("variadic") else len(signature)


@cache
def stock(name: str) -> Call:
    """The stock function of this name. Raises jmespath's UnknownFunctionError."""
    if name not in _TABLE:
        raise exceptions.UnknownFunctionError(f"Unknown function: {name}()")
    return _FAST.get(name) or _slow(name)


def _slow(name: str) -> Call:
    expected = [kind for each in _TABLE[name]["signature"] for kind in each["types"]]

    def call(*values: Any) -> Any:
        try:
            return _functions.call_function(
                name, [_Expression(each) if callable(each) else each for each in values]
            )
        except exceptions.JMESPathError:
            raise
        except (TypeError, ValueError, OverflowError):
            wrong = values[-1] if values else None
            kind = TYPES_MAP.get(type(wrong).__name__, "unknown")
            raise exceptions.JMESPathTypeError(name, wrong, kind, expected) from None

    return call


# Direct versions of the hot ones. Whatever is not the plain case goes to the package, which also
# knows the right error; a property test holds both equal.
_length, _contains, _starts_with = _slow("length"), _slow("contains"), _slow("starts_with")
_join, _keys, _type = _slow("join"), _slow("keys"), _slow("type")
_reverse, _map, _ends_with = _slow("reverse"), _slow("map"), _slow("ends_with")
_to_string, _not_null, _to_array = _slow("to_string"), _slow("not_null"), _slow("to_array")

_TYPE_NAMES: dict[type, str] = {
    str: "string",
    bool: "boolean",
    list: "array",
    dict: "object",
    int: "number",
    float: "number",
    type(None): "null",
}


def _fast_length(*values: Any) -> Any:
    if len(values) == 1 and type(values[0]) in (list, str, dict):
        return len(values[0])
    return _length(*values)


def _fast_contains(*values: Any) -> Any:
    if len(values) == 2:
        subject, wanted = values
        if type(subject) is list or (type(subject) is str and type(wanted) is str):
            return wanted in subject
    return _contains(*values)


def _fast_starts_with(*values: Any) -> Any:
    if len(values) == 2 and type(values[0]) is str and type(values[1]) is str:
        return values[0].startswith(values[1])
    return _starts_with(*values)


def _fast_ends_with(*values: Any) -> Any:
    if len(values) == 2 and type(values[0]) is str and type(values[1]) is str:
        return values[0].endswith(values[1])
    return _ends_with(*values)


def _fast_reverse(*values: Any) -> Any:
    if len(values) == 1 and type(values[0]) in (list, str):
        return values[0][::-1]
    return _reverse(*values)


def _fast_map(*values: Any) -> Any:
    if len(values) == 2 and callable(values[0]) and type(values[1]) is list:
        return [values[0](each) for each in values[1]]
    return _map(*values)


def _fast_join(*values: Any) -> Any:
    if len(values) == 2 and type(values[0]) is str and type(values[1]) is list:
        try:
            return values[0].join(values[1])
        except TypeError:
            pass
    return _join(*values)


def _fast_keys(*values: Any) -> Any:
    return list(values[0]) if len(values) == 1 and type(values[0]) is dict else _keys(*values)


def _fast_type(*values: Any) -> Any:
    name = _TYPE_NAMES.get(type(values[0])) if len(values) == 1 else None
    return name or _type(*values)


def _fast_to_string(*values: Any) -> Any:
    if len(values) == 1 and type(values[0]) in _TYPE_NAMES:
        value = values[0]
        return value if type(value) is str else json.dumps(value, separators=(",", ":"))
    return _to_string(*values)


def _fast_not_null(*values: Any) -> Any:
    for value in values:
        if value is not None:
            return value
    return None if values else _not_null()


def _fast_to_array(*values: Any) -> Any:
    if len(values) == 1 and type(values[0]) in _TYPE_NAMES:
        return values[0] if type(values[0]) is list else [values[0]]
    return _to_array(*values)


_FAST: dict[str, Call] = {
    "length": _fast_length,
    "contains": _fast_contains,
    "starts_with": _fast_starts_with,
    "ends_with": _fast_ends_with,
    "reverse": _fast_reverse,
    "map": _fast_map,
    "join": _fast_join,
    "keys": _fast_keys,
    "type": _fast_type,
    "to_string": _fast_to_string,
    "not_null": _fast_not_null,
    "to_array": _fast_to_array,
}
