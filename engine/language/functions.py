"""The functions of the language beside JMESPath's own; all null-tolerant.

``FUNCTIONS`` is the table of all that are registered, ``stock(name)`` gives JMESPath's own. The
encodings are in ``engine.language.encodings``, those of texts in ``engine.language.texts``; a
higher storey registers its own with the same decorator.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson

from engine.language import encodings, texts  # noqa: F401 (registers those of texts)
from engine.language.paths import ways
from engine.language.registry import FUNCTIONS, Function, FunctionError, function
from engine.language.stock import STOCK, arity, stock

__all__ = [
    "FUNCTIONS", "STOCK", "Function", "FunctionError", "arity", "digest", "function",
    "json_text", "parse_json", "parts", "stock",
]  # fmt: skip

Number = int | float


@function(
    "add", "number", "number", takes_null=True, numbers="+", example=("add(a, b)", {"a": 2}, 2)
)
def add(a: Number | None, b: Number | None) -> Number | None:
    """The sum; absent counts as zero, both absent: null."""
    return None if a is None and b is None else (a or 0) + (b or 0)


@function(
    "sub",
    "number",
    "number",
    takes_null=True,
    numbers="-",
    example=("sub(a, b)", {"a": 5, "b": 2}, 3),
)
def sub(a: Number | None, b: Number | None) -> Number | None:
    """The difference; absent counts as zero, both absent: null."""
    return None if a is None and b is None else (a or 0) - (b or 0)


@function("mul", "number", "number", takes_null=True, example=("mul(a, `3`)", {"a": 2}, 6))
def mul(a: Number | None, b: Number | None) -> Number | None:
    """The product; absent counts as zero, both absent: null."""
    return None if a is None and b is None else (a or 0) * (b or 0)


@function("div_floor", "number", "number", example=("div_floor(a, `4`)", {"a": 10}, 2))
def div_floor(a: Number, b: Number) -> Number | None:
    """The quotient rounded down; null when one is absent or b is zero."""
    return a // b if b else None


@function("min2", "number", "number", takes_null=True, example=("min2(a, `4`)", {"a": 10}, 4))
def min2(a: Number | None, b: Number | None) -> Number | None:
    """The lesser of those present."""
    return b if a is None else a if b is None else min(a, b)


@function("max2", "number", "number", takes_null=True, example=("max2(a, `4`)", {"a": 10}, 10))
def max2(a: Number | None, b: Number | None) -> Number | None:
    """The greater of those present."""
    return b if a is None else a if b is None else max(a, b)


@function(
    "at", "object|list", "text|number|boolean", example=("at(o, k)", {"o": {"x": 1}, "k": "x"}, 1)
)
def at(container: dict[str, Any] | list[Any], key: Any) -> Any:
    """One element by a computed key or index (negative: from the end); null if absent."""
    if isinstance(container, list):
        if isinstance(key, str | bool) or key != key or not -len(container) <= key < len(container):
            return None
        return container[int(key)] if key == int(key) else None
    value = container.get(key)
    return container.get(key if isinstance(key, str) else _key(key)) if value is None else value


@function(
    "get", "object|list", "text|number|boolean", "any", takes_null=True,
    example=("get(o, 'y', `7`)", {"o": {"x": 1}}, 7),
)  # fmt: skip
def get(container: dict[str, Any] | list[Any] | None, key: Any, default: Any = None) -> Any:
    """As at(), with a default for what is absent."""
    value = None if container is None or key is None else at(container, key)
    return default if value is None else value


@function(
    "look", "any", "text|list|object",
    example=("look(v, p)", {"v": {"a": {"b": [1]}}, "p": ["x", "a.b[0]"]}, 1),
)  # fmt: skip
def look(value: Any, paths: str | list[Any] | dict[str, Any]) -> Any:
    """What is at a path, or at the first of several where something is: no null, nothing empty."""
    for way in ways("look", paths):
        found = value
        for step in way:
            if isinstance(step, int):
                found = found[step] if type(found) is list and step < len(found) else None
            else:
                found = found.get(step) if type(found) is dict else None
        if found is not None and found not in ("", [], {}):
            return found
    return None


@function(
    "index_by", "list", "text",
    example=("index_by(l, 'id')", {"l": [{"id": "a"}]}, {"a": {"id": "a"}}),
)  # fmt: skip
def index_by(elements: list[Any], key: str) -> dict[str, Any]:
    """An object of the elements by the value of one key; the last wins, others are left out."""
    return {name: each for each in elements if (name := _key_of(each, key)) is not None}


@function(
    "group_by", "list", "text", example=("group_by(l, 'k')", {"l": [{"k": 1}]}, {"1": [{"k": 1}]})
)
def group_by(elements: list[Any], key: str) -> dict[str, list[Any]]:
    """An object of lists by the value of one key; elements without it are left out."""
    groups: dict[str, list[Any]] = {}
    for each in elements:
        if (name := _key_of(each, key)) is not None:
            groups.setdefault(name, []).append(each)
    return groups


@function(
    "unique_by", "list", "text",
    example=("unique_by(l, 'k')", {"l": [{"k": 1}, {"k": 1}]}, [{"k": 1}]),
)  # fmt: skip
def unique_by(elements: list[Any], key: str) -> list[Any]:
    """The list without later elements of an equal key; elements without the key stay."""
    seen: set[str] = set()
    kept = []
    for each in elements:
        name = each.get(key) if type(each) is dict else None
        if type(name) is not str:
            name = _key_of(each, key)
        if name is None:
            kept.append(each)
        elif name not in seen:
            seen.add(name)
            kept.append(each)
    return kept


@function("index_of", "list", "any", example=("index_of(l, 'b')", {"l": ["a", "b"]}, 1))
def index_of(elements: list[Any], value: Any) -> int | None:
    """The first position of a value; null if it is not in the list."""
    if isinstance(value, str):
        return elements.index(value) if value in elements else None
    return next((i for i, each in enumerate(elements) if _equal(each, value)), None)


@function(
    "leading", "list", "text", "list",
    example=("leading(l, 'k', `[1]`)", {"l": [{"k": 1}, {"k": 1}, {"k": 2}, {"k": 1}]}, 2),
)  # fmt: skip
def leading(elements: list[Any], key: str, values: list[Any]) -> int:
    """How many elements the list begins with whose key has one of the values."""
    for position, each in enumerate(elements):
        if type(each) is not dict or each.get(key) not in values:
            return position
    return len(elements)


@function(
    "count", "list", "text",
    example=("count(l, 'k')", {"l": [{"k": 1}, [{"k": 2}, {}], {"k": None}]}, 2),
)  # fmt: skip
def count(elements: list[Any], key: str) -> int:
    """How many objects in a list, and in lists in it, hold something under a key."""
    found = 0
    for each in elements:
        if type(each) is list:
            # looked through here: a call for each of many short lists costs more than they do
            for inner in each:
                if type(inner) is dict:
                    if key in inner and inner[key] is not None:
                        found += 1
                elif type(inner) is list:
                    found += count(inner, key)
        elif type(each) is dict and key in each and each[key] is not None:
            found += 1
    return found


@function("last_index", "list", "any", example=("last_index(l, 'a')", {"l": ["a", "b", "a"]}, 2))
def last_index(elements: list[Any], value: Any) -> int | None:
    """The last position of a value; null if it is not in the list."""
    if isinstance(value, str):
        return len(elements) - 1 - elements[::-1].index(value) if value in elements else None
    positions = range(len(elements) - 1, -1, -1)
    return next((i for i in positions if _equal(elements[i], value)), None)


@function("take_last", "list", "integer", example=("take_last(l, `2`)", {"l": [1, 2, 3]}, [2, 3]))
def take_last(elements: list[Any], count: int) -> list[Any]:
    """The last n elements."""
    return elements[-count:] if count > 0 else []


@function("parts", "text|list", example=("parts(c)", {"c": "hi"}, [{"type": "text", "text": "hi"}]))
def parts(content: str | list[Any]) -> list[Any]:
    """Text as one text part (empty text: no part), a list as it is."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content


@function(
    "merge_present", "object", "object", takes_null=True,
    example=("merge_present(a, b)", {"a": {"x": 1}, "b": {"x": None, "y": 2}}, {"x": 1, "y": 2}),
)  # fmt: skip
def merge_present(a: dict[str, Any] | None, b: dict[str, Any] | None) -> dict[str, Any] | None:
    """b over a; nulls do not overwrite."""
    if a is None or b is None:
        return b if a is None else a
    return {**a, **{key: value for key, value in b.items() if value is not None}}


@function("json", "any", example=("json(v)", {"v": {"b": 1, "a": "é"}}, '{"b":1,"a":"é"}'))
def json_text(value: Any) -> str | None:
    """Compact JSON text, keys in order, non-ASCII as it is; null for null."""
    if value is None:
        return None
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # an integer beyond 64 bits or a lone surrogate
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_decode = msgspec.json.Decoder().decode


@function("parse_json", "any", example=("parse_json(t)", {"t": "[1]"}, [1]))
def parse_json(text: Any) -> Any:
    """The value of a JSON text, null if it is none; what is no text is passed as it is."""
    if not isinstance(text, str):
        return text
    try:
        return _decode(text.encode())
    except (ValueError, RecursionError):
        pass  # perhaps a lone surrogate, which only the standard library takes
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        return None


@function(
    "is_object", "any", inline="isinstance({0}, dict)", example=("is_object(v)", {"v": {}}, True)
)
def is_object(value: Any) -> bool:
    """Whether it is an object."""
    return isinstance(value, dict)


@function("is_list", "any", inline="isinstance({0}, list)", example=("is_list(v)", {"v": []}, True))
def is_list(value: Any) -> bool:
    """Whether it is a list."""
    return isinstance(value, list)


@function("is_text", "any", inline="isinstance({0}, str)", example=("is_text(v)", {"v": ""}, True))
def is_text(value: Any) -> bool:
    """Whether it is a text."""
    return isinstance(value, str)


@function("rfc3339", "number", example=("rfc3339(t)", {"t": 0}, "1970-01-01T00:00:00Z"))
def rfc3339(seconds: Number) -> str:
    """Seconds since 1970 as an RFC 3339 moment in UTC."""
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        raise FunctionError("rfc3339", "is no moment", 1, "number") from None
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@function("digest", "any", example=("digest(v)", {"v": "a"}, "ac8d8342bbb2362d13f0a559"))
def digest(value: Any) -> str | None:
    """24 hex digits of a hash of the value, the order of keys aside; null for null."""
    if value is None:
        return None
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _key(value: Any) -> str:
    """A scalar as the key of an object: those have text keys, whatever the value was."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _key_of(element: Any, key: str) -> str | None:
    value = element.get(key) if isinstance(element, dict) else None
    if type(value) is str:
        return value
    return _key(value) if isinstance(value, str | int | float) else None


def _equal(a: Any, b: Any) -> bool:
    """JSON's equality: true is not 1."""
    return bool(a == b) and isinstance(a, bool) is isinstance(b, bool)


def _no_constant(word: str) -> None:
    raise ValueError(word)  # NaN and Infinity are no JSON


def _finite(digits: str) -> float:
    """The number; one that no float holds is better kept as text than turned into infinity."""
    value = float(digits)
    if math.isinf(value):
        raise ValueError(digits)
    return value


_ENCODINGS: tuple[tuple[str, Callable[[str], Any], str, Any], ...] = (
    ("b64_encode", encodings.b64_encode, "hi", "aGk="),
    ("b64_decode", encodings.b64_decode, "aGk", "hi"),
    ("b64_standard", encodings.b64_standard, "_-8", "/+8="),
    ("data_url", encodings.data_url, "data:,hi", {"mime": "text/plain", "data": "aGk="}),
    ("sniff_mime", encodings.sniff_mime, "iVBORw0KGgoAAAAN", "image/png"),
)
for _name, _call, _given, _result in _ENCODINGS:
    function(_name, "text", example=(f"{_name}(t)", {"t": _given}, _result))(_call)
