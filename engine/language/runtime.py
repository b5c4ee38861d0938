"""What generated code calls, by name: JMESPath's semantics in small functions, and what is beside.

Everything here is on the hot path or in its error branch; nothing knows which mapping calls it.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import jmespath.exceptions
import orjson

from engine.language import joining, keeping, leftovers, saying
from engine.language.functions import FunctionError, json_text, parse_json
from engine.language.paths import opened
from engine.language.saying import NULL


class Refusal(Exception):
    """A rule refused the document; ``path`` is known only when traced."""

    def __init__(self, rule: int, reason: str, status: int, path: str | None) -> None:
        self.rule = rule
        self.reason = reason
        self.status = status
        self.path = path
        super().__init__(reason)


class Unusual(Exception):
    """A document holds a key that the quick form of a program does not know."""


# What ends the quick form of a program, whose caller runs the general one then: a key that it does
# not know, and what is no object where one is taken for granted.
ENDS = (Unusual, AttributeError, TypeError)


# What evaluating an expression over somebody's document may raise.
EVALUATION_ERRORS = (jmespath.exceptions.JMESPathError, FunctionError, RecursionError)


def field(value: Any, key: str) -> Any:
    """One key of an object, else None."""
    return value.get(key) if type(value) is dict else None


def index(value: Any, position: int) -> Any:
    """One element of a list, from the end when negative, else None."""
    if type(value) is list and -len(value) <= position < len(value):
        return value[position]
    return None


def slice_(value: Any, start: int | None, stop: int | None, step: int | None) -> Any:
    """A slice of a list, else None."""
    return value[start:stop:step] if type(value) is list else None


def present(value: Any) -> Any:
    """The elements of a list that are not null, else None."""
    return [each for each in value if each is not None] if type(value) is list else None


def values(value: Any) -> Any:
    """The values of an object, else None."""
    return list(value.values()) if type(value) is dict else None


def flatten(value: Any) -> Any:
    """One level of lists in a list merged, else None."""
    if type(value) is not list:
        return None
    merged: list[Any] = []
    for each in value:
        if type(each) is list:
            merged.extend(each)
        else:
            merged.append(each)
    return merged


def each_of(value: Any, key: str) -> Any:
    """``value[].key``: what the elements, one level of lists merged, hold under a key."""
    if type(value) is not list:
        return None
    try:
        # of JSON values objects alone have it
        return [held for each in value if (held := each.get(key)) is not None]
    except AttributeError:
        found: list[Any] = []
    for each in value:
        inner = each if type(each) is list else (each,)
        found += [h for e in inner if type(e) is dict and (h := e.get(key)) is not None]
    return found


def equal(one: Any, other: Any) -> bool:
    """JMESPath's equality: numbers never equal booleans."""
    if isinstance(one, bool) is not isinstance(other, bool):
        return False
    return bool(one == other)


def _ordered(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return False
    number, text = (int, float), str
    if isinstance(one, bool) or isinstance(other, bool):
        return False
    if isinstance(one, number) and isinstance(other, number):
        return True
    if isinstance(one, text) and isinstance(other, text):
        return True
    if isinstance(one, (int, float, str)) and isinstance(other, (int, float, str)):
        raise jmespath.exceptions.JMESPathTypeError(
            "comparison", one, type(one).__name__, ["number"]
        )
    return False


def lt(one: Any, other: Any) -> Any:
    """``a < b``; null for what has no order."""
    return one < other if _ordered(one, other) else None


def lte(one: Any, other: Any) -> Any:
    """``a <= b``."""
    return one <= other if _ordered(one, other) else None


def gt(one: Any, other: Any) -> Any:
    """``a > b``."""
    return one > other if _ordered(one, other) else None


def gte(one: Any, other: Any) -> Any:
    """``a >= b``."""
    return one >= other if _ordered(one, other) else None


def text(value: Any) -> str:
    """A value inside a template: null is the empty text, objects are JSON."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    return json_text(value) or ""


def derived_id(prefix: str, *parts: Any) -> str:
    """The prefix and 24 hex digits of a hash of the parts."""
    texts = [json_text(part) for part in parts]
    try:
        data = orjson.dumps(texts)
    except TypeError:  # a lone surrogate
        data = json.dumps(texts).encode()
    return prefix + hashlib.sha256(data).hexdigest()[:24]


def parsed(value: Any, otherwise: Any) -> Any:
    """JSON text as value; ``otherwise`` when it is no JSON; what is no text as it is."""
    if type(value) is not str:
        return value
    try:
        return parse_json(value)
    except FunctionError:
        return otherwise


def extend(result: list[Any], more: Any) -> None:
    """Concatenate a list; a single value counts as a list of one; None as nothing."""
    if type(more) is list:
        result.extend(more)
    elif more is not None:
        result.append(None if more is NULL else more)


def row(table: dict[str, Any], value: Any) -> Any:
    """The row of a table: keys are compared with the text of the value."""
    if type(value) is str:
        return table.get(value)
    return None if isinstance(value, dict | list) else table.get(json_text(value) or "")


def known(table: dict[str, Any], value: Any) -> bool:
    """Whether a table has a row for a value."""
    if type(value) is str:
        return value in table
    return not isinstance(value, dict | list) and json_text(value) in table


def among(value: Any, choices: Any) -> bool:
    """Whether a value is one of a list."""
    return type(choices) is list and any(equal(value, each) for each in choices)


HELPERS: dict[str, Any] = {
    "NULL": NULL,
    # ``get`` of what is no object
    "_nothing": {}.get,
    "_field": field,
    "_index": index,
    "_slice": slice_,
    "_present": present,
    "_values": values,
    "_flatten": flatten,
    "_each": each_of,
    "_eq": equal,
    "_lt": lt,
    "_lte": lte,
    "_gt": gt,
    "_gte": gte,
    "_text": text,
    "_id": derived_id,
    "_parsed": parsed,
    "_json": json_text,
    "_rest": leftovers.rest,
    "_spread": leftovers.spread,
    "_joined": joining.joined,
    "_put": keeping.put,
    "_append": keeping.append,
    "_own": keeping.own,
    "_hold": keeping.hold,
    "_release": keeping.release,
    "_more": leftovers.more,
    "_besides": leftovers.besides,
    "_left": leftovers.left,
    "_unread": leftovers.unread,
    "_opened": opened,
    "_native": leftovers.native,
    "_extend": extend,
    "_row": row,
    "_known": known,
    "_among": among,
    "_stamp": keeping.stamp,
    "_changed": saying.changed,
    "_key": keeping.key_text,
    "_is_a": saying.is_a,
    "_wrong": saying.wrong,
    "_shown": saying.shown,
    "Refusal": Refusal,
    "Unusual": Unusual,
}
