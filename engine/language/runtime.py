"""What generated code calls: JMESPath's semantics in small functions, and the marks of losses.

Everything here is on the hot path or in its error branch; nothing knows which mapping calls it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

import jmespath.exceptions
import orjson

from engine.language import leftovers
from engine.language.functions import FunctionError, json_text, parse_json
from engine.language.paths import opened


class Null:
    """The only value of it, ``NULL``, is a null that a mapping wrote on purpose."""

    def __repr__(self) -> str:
        return "NULL"


NULL = Null()
_MISSING = object()


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


def changed(value: Any, result: Any) -> str:
    """The sentence for a value that became another one, or was left out."""
    if result is None:
        return f"{shown(value)} is left out"
    return f"changed from {shown(value)} to {shown(result)}"


def type_name(value: Any) -> str:
    """What JSON calls the type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, dict) else "list"


def is_a(value: Any, wanted: str) -> bool:
    """Whether a value is of a type: string, integer, number, boolean, object, list."""
    name = type_name(value)
    return name == wanted or (wanted == "number" and name == "integer")


def article(word: str) -> str:
    """The word with a or an."""
    return f"an {word}" if word[0] in "aeio" else f"a {word}"


def wrong(value: Any, wanted: str) -> str:
    """The sentence for a value of the wrong type."""
    return f"must be {article(wanted)}, not {article(type_name(value))}"


def shown(value: Any) -> str:
    """A value inside a sentence, cut short; long texts are never quoted."""
    if value is NULL:
        return "null"
    if isinstance(value, str) and len(value) > 60:
        return f"a text of {len(value)} characters"
    if isinstance(value, dict | list):
        return article(type_name(value))
    return json_text(value) or "null"


def joined(
    items: list[Any],
    same: tuple[str, ...],
    concat: tuple[str, ...],
    strict: bool,
    when: Callable[[Any, Any], bool] | None,
    lost: Callable[[Any, str], None],
    moved: Callable[..., None] | None = None,
) -> list[Any]:
    """Neighbours equal in all of ``same`` merged; ``strict``: not when other keys differ; ``lost``
    is told else."""
    if not _alike(items, same[0]):
        return items
    result: list[Any] = []
    # the keys of the last element whose lists were made here; None: it is as it came
    mine: set[str] | None = None
    for item in items:
        before = result[-1] if result else None
        if (
            type(before) is not dict
            or type(item) is not dict
            or _different(before, item, same)
            or (strict and _differ(before, item, same, concat))
            or (when is not None and not when(before, item))
        ):
            result.append(item)
            mine = None
            continue
        merged = before if mine is not None else dict(before)
        mine = set() if mine is None else mine
        for key, value in item.items():
            if key in same:
                continue
            if key not in merged:
                merged[key] = value
            elif value is None or (merged[key] == value and key not in concat):
                continue
            elif merged[key] is None:
                merged[key] = value
            elif key in concat and type(value) is type(merged[key]) in (list, str):
                if key in mine:
                    merged[key] += value
                else:
                    merged[key] = merged[key] + value
                    mine.add(key)
            else:
                lost(item, key)
        if moved is not None:
            moved(before, merged)
            moved(item, merged, concat)
        result[-1] = merged
    return result


def _alike(items: list[Any], key: str) -> bool:
    """Whether two neighbours hold the same: most lists have none, and are not made anew."""
    last: Any = _MISSING
    for item in items:
        if type(item) is dict:
            value = item.get(key)
            if value == last:
                return True
            last = value
        else:
            last = _MISSING
    return False


def _different(one: dict[str, Any], other: dict[str, Any], keys: tuple[str, ...]) -> bool:
    for key in keys:
        if one.get(key) != other.get(key):
            return True
    return False


def _differ(
    one: dict[str, Any], other: dict[str, Any], same: Iterable[str], concat: Iterable[str]
) -> bool:
    free = {*same, *concat}
    keys = {*one, *other} - free
    return any(one.get(key) != other.get(key) for key in keys)


def put(state: dict[str, Any], name: str, path: tuple[Any, ...], value: Any) -> None:
    """Set one key of an object in the state, however deep; None removes it."""
    if None in path:
        return
    at = state[name]
    if type(at) is not dict:
        at = state[name] = {}
    *above, last = map(_key, path)
    for key in above:
        below = at.get(key)
        if type(below) is not dict:
            below = at[key] = {}
        at = below
    if value is None:
        at.pop(last, None)
    else:
        at[last] = None if value is NULL else value


def _key(value: Any) -> str:
    """A computed key: a text as it is, a number or boolean as JSON writes it."""
    if type(value) is str:
        return value
    if isinstance(value, dict | list):
        raise FunctionError("$key", f"must be a text or number, not {article(type_name(value))}")
    return json_text(value) or ""


def own(value: Any) -> Any:
    """A copy for the state: what is set in it later stays out of the document it came from."""
    if type(value) is dict:
        return {key: own(each) for key, each in value.items()}
    return [own(each) for each in value] if type(value) is list else value


def stamp(out: list[Any], begin: int, keys: dict[str, Any]) -> None:
    """Put these keys on the events emitted since ``begin``, where they do not have them."""
    for position in range(begin, len(out)):
        event = out[position]
        if type(event) is dict and not event.keys() >= keys.keys():
            # the event may be a part of a document
            out[position] = {**event, **{k: v for k, v in keys.items() if k not in event}}


def release(state: dict[str, Any], queue: str) -> list[Any]:
    """The events waiting in a queue, which is empty from now on."""
    waiting: dict[str, list[Any]] = state["$held"]
    return waiting.pop(queue, [])


def hold(state: dict[str, Any], queue: str, event: Any) -> None:
    """An event waits."""
    state["$held"].setdefault(queue, []).append(event)


def append(state: dict[str, Any], name: str, path: tuple[Any, ...], value: Any) -> None:
    """Append to a list of the state, made when it is not there; None appends nothing."""
    if value is None or None in path:
        return
    at, *keys = state, name, *map(_key, path)
    for key in keys[:-1]:
        below = at.get(key)
        if type(below) is not dict:
            below = at[key] = {}
        at = below
    there = at.get(keys[-1])
    if type(there) is not list:
        there = at[keys[-1]] = []
    there.append(None if value is NULL else value)


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
    "_joined": joined,
    "_put": put,
    "_append": append,
    "_own": own,
    "_hold": hold,
    "_release": release,
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
    "_stamp": stamp,
    "_changed": changed,
    "_key": _key,
    "_is_a": is_a,
    "_wrong": wrong,
    "_shown": shown,
    "Refusal": Refusal,
    "Unusual": Unusual,
}
