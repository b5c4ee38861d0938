"""JSON text in and out, as fast as orjson and as exact as the standard library.

msgspec reads, since it keeps the digits of integers beyond 64 bits; orjson writes. Neither takes
lone surrogate escapes (``\\ud800``), orjson no long integers: the standard library does, so that
digits and escapes survive both ways. What none should let in is refused here: NaN, Infinity,
numbers too large for a float, nesting so deep that a recursive reader would overflow its stack.
"""

from __future__ import annotations

import json
import math
import re
import sys
from typing import Any

import msgspec
import orjson

MAX_DEPTH = 254
"""Levels of nesting that are read: as many as orjson writes, far below Python's recursion limit."""

_BOM = b"\xef\xbb\xbf"

_decode = msgspec.json.Decoder().decode
# The decoder recurses: what it finds nested too deep depends on how much of the stack is left.
_UNREAD = (ValueError, RecursionError)

_SCALARS = frozenset({str, int, float})
_SURROGATE = re.compile("[\ud800-\udfff]")
_TOKEN = re.compile(
    r'"(?:[^"\\]++|\\.)*+"|[\[{]|[\]}]|NaN|-?Infinity'
    r"|-?[0-9]++(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+",
    re.S,
)
_IN_STRING = re.compile(r'["\\]')
_OUTSIDE = re.compile(r'["{}\[\]]')


class JsonError(ValueError):
    """Text that is no JSON, or JSON beyond the limits.

    ``reason`` never quotes the text. ``line`` and ``column`` count from 1, in characters; both are
    None for a value that cannot be written.
    """

    def __init__(self, reason: str, line: int | None = None, column: int | None = None) -> None:
        self.reason = reason
        self.line = line
        self.column = column
        super().__init__(reason if line is None else f"line {line} column {column}: {reason}")


def loads(data: bytes | str) -> Any:
    """Read one JSON value from UTF-8 bytes or text. Of duplicate keys the last wins.

    Raises JsonError.
    """
    if isinstance(data, str):
        try:
            return loads(data.encode())
        except UnicodeEncodeError:  # a lone surrogate stands unescaped in the text
            return _loads_exactly(data)
    try:
        value = _decode(data)
    except _UNREAD:
        pass  # wrong, or one of the things only the standard library takes
    else:
        if not _shallow(data) and _deep(value):
            text = data.decode()
            raise _error_at(text, *_offence(text))
        return value
    try:
        text = data.removeprefix(_BOM).decode()
    except UnicodeDecodeError as error:
        sound = data.removeprefix(_BOM)[: error.start].decode()
        raise _error_at(sound, len(sound), "not valid UTF-8") from None
    return _loads_exactly(text)


def read_scalar(data: bytes) -> object:
    """Read a text or number that is known to be short; None for what is neither."""
    try:
        value = _decode(data)
    except _UNREAD:
        return None
    return value if type(value) in _SCALARS else None


def read_list(data: bytes) -> list[Any] | None:
    """Read a list of texts; None for what is no list."""
    try:
        value = _decode(data)
    except _UNREAD:
        return None
    return value if type(value) is list else None


def parse_json(text: str) -> Any:
    """Read the arguments of a call. Raises JsonError."""
    return loads(text)


def dumps(value: Any) -> bytes:
    """Write a JSON value: compact, in the order of its keys, only lone surrogates escaped.

    Raises JsonError for nesting too deep, TypeError and ValueError for what is no JSON value.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return _dumps_exactly(value)


def compact_json(value: Any) -> str:
    """Write the arguments of a call; the rules of :func:`dumps`."""
    return dumps(value).decode()


def ascii_json(value: str | int | float) -> bytes:
    """A text or number as servers write it that escape all but ASCII."""
    return json.dumps(value).encode()


def stable(value: Any) -> bytes:
    """A value's bytes whatever the order of its keys, to be compared or hashed.

    Raises as :func:`dumps`.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return _dumps_exactly(value, sort_keys=True)


class ValueScanner:
    """Finds the end of a JSON object, array or string that arrives in pieces, in linear time.

    It follows quotes, escapes and brackets and leaves the rest to a parser. A number or a bare
    word has no end of its own and never becomes ``complete``.
    """

    __slots__ = ("_depth", "_escaped", "_in_string", "complete")

    def __init__(self) -> None:
        self.complete = False
        self._depth = 0
        self._escaped = False
        self._in_string = False

    def feed(self, text: str, start: int = 0) -> int:
        """Read on from ``start``; the position just after the value's end, -1 while it goes on."""
        position = start
        if self._escaped and position < len(text):
            self._escaped = False
            position += 1
        while found := (_IN_STRING if self._in_string else _OUTSIDE).search(text, position):
            position = found.end()
            character = found[0]
            if character == "\\":
                self._escaped = position == len(text)
                position += 1
                continue
            if character == '"':
                self._in_string = not self._in_string
            elif character in "{[":
                self._depth += 1
                continue
            else:
                self._depth -= 1
            if self._depth == 0 and not self._in_string:
                self.complete = True
                return position
        return -1


def _shallow(data: bytes) -> bool:
    """Whether JSON text cannot be nested beyond MAX_DEPTH, told by its brackets alone.

    What is open in the first half was opened there; what is open in the second is closed there.
    Brackets in strings count, too, which only makes the answer no.
    """
    if len(data) <= 2 * MAX_DEPTH:
        return True
    half = len(data) // 2
    return _number(data[:half], b"{", b"[") <= MAX_DEPTH >= _number(data[half:], b"}", b"]")


def _number(data: bytes, one: bytes, other: bytes) -> int:
    # Leaving a rare byte out is several times faster than counting it.
    return 2 * len(data) - len(data.replace(one, b"")) - len(data.replace(other, b""))


def _loads_exactly(text: str) -> Any:
    try:
        value = json.loads(text, parse_float=_finite, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        reason = error.msg.rstrip(": ").removesuffix(" at").removesuffix(" starting")
        raise _error_at(text, error.pos, reason[0].lower() + reason[1:]) from None
    except (ValueError, RecursionError):  # ours, an integer of thousands of digits, nesting
        raise _error_at(text, *_offence(text)) from None
    if _deep(value):
        raise _error_at(text, *_offence(text))
    return value


def _dumps_exactly(value: Any, sort_keys: bool = False) -> bytes:
    try:
        text = json.dumps(
            value,
            ensure_ascii=False,
            allow_nan=False,
            separators=(",", ":"),
            sort_keys=sort_keys,
        )
    except RecursionError:
        raise JsonError("nested too deep") from None
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def _finite(literal: str) -> float:
    number = float(literal)
    if math.isinf(number):
        raise ValueError
    return number


def _refuse(literal: str) -> Any:
    raise ValueError(literal)


def _deep(value: Any) -> bool:
    """Whether it is nested beyond MAX_DEPTH, where orjson stops writing."""
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:  # for that, or for an integer or a surrogate somewhere
        pass
    else:
        return False
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [parent for parent in level if isinstance(parent, dict | list)]
        if not level:
            return False
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
    return True


def _offence(text: str) -> tuple[int, str]:
    """Where and how text that has the form of JSON up to there leaves the limits."""
    depth = 0
    for found in _TOKEN.finditer(text):
        token = found[0]
        first = token[0]
        if first in "{[":
            depth += 1
            if depth > MAX_DEPTH:
                return found.start(), f"nested deeper than {MAX_DEPTH} levels"
        elif first in "]}":
            depth -= 1
        elif token.endswith(("NaN", "Infinity")):
            return found.start(), "NaN and Infinity are no JSON"
        elif first != '"' and _too_large(token):
            return found.start(), "number too large"
    return 0, "nested too deep"  # little of the stack was left when the reading began


def _too_large(number: str) -> bool:
    digits = number.removeprefix("-")
    if digits.isdecimal():
        return 0 < sys.get_int_max_str_digits() < len(digits)
    return math.isinf(float(number))


def _error_at(text: str, position: int, reason: str) -> JsonError:
    line = text.count("\n", 0, position) + 1
    return JsonError(reason, line, position - text.rfind("\n", 0, position))
