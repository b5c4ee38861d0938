"""The functions of the language that look at texts and make them; all null-tolerant."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from engine.language.registry import FunctionError, function

# How much of a text a regular expression looks at: patterns are trusted, the text is not.
_SEARCHED = 65_536


@function("capture", "text", "text", example=("capture(t, '^v([0-9]+)')", {"t": "v12"}, "12"))
def capture(text: str, pattern: str) -> str | None:
    """The first group of a regular expression (without a group: what it matched), or null."""
    found = _compiled("capture", pattern).search(text, 0, _SEARCHED)
    return found and found.group(min(1, found.re.groups))


@function("matches", "text", "text", example=("matches(t, '^[a-z]+$')", {"t": "abc"}, True))
def matches(text: str, pattern: str) -> bool:
    """Whether a regular expression holds somewhere in the text."""
    return _compiled("matches", pattern).search(text, 0, _SEARCHED) is not None


@function(
    "replace", "text", "text", "text", example=("replace(t, '[^a-z]', '_')", {"t": "a b"}, "a_b")
)
def replace(text: str, pattern: str, replacement: str) -> str:
    r"""Every match of a regular expression replaced; ``\1`` is its first group."""
    head, tail = text[:_SEARCHED], text[_SEARCHED:]
    try:
        return _compiled("replace", pattern).sub(replacement, head) + tail
    except (re.error, IndexError) as error:
        raise FunctionError("replace", f"is no replacement: {error}", 3, "text") from None


@function("split", "text", "text", example=("split(t, '/')", {"t": "a/b"}, ["a", "b"]))
def split(text: str, separator: str) -> list[str]:
    """The pieces between the separators."""
    if not separator:
        raise FunctionError("split", "must not be empty", 2, "text")
    return text.split(separator)


@function("lower", "text", example=("lower(t)", {"t": "Ab"}, "ab"))
def lower(text: str) -> str:
    """In small letters."""
    return text.lower()


@function("upper", "text", example=("upper(t)", {"t": "Ab"}, "AB"))
def upper(text: str) -> str:
    """In capital letters."""
    return text.upper()


@function("strip", "text", example=("strip(t)", {"t": " a\n"}, "a"))
def strip(text: str) -> str:
    """Without white space at both ends."""
    return text.strip()


@function(
    "starts_with_ci",
    "text",
    "text",
    example=("starts_with_ci(t, 'error')", {"t": "Error: x"}, True),
)
def starts_with_ci(text: str, prefix: str) -> bool:
    """Whether the text begins so, letter case aside."""
    return text[: len(prefix)].lower() == prefix.lower()


@function(
    "join_text", "list", "text", takes_null=True,
    example=("join_text(l, '-')", {"l": [{"text": "a"}, "b"]}, "a-b"),
)  # fmt: skip
def join_text(elements: list[Any] | None, separator: str | None = "") -> str | None:
    """The ``text`` of each element (or the element, a string) joined; null for an absent list."""
    if elements is None:
        return None
    texts = [each.get("text") if isinstance(each, dict) else each for each in elements]
    return (separator or "").join([text for text in texts if isinstance(text, str)])


@function("chars_in", "text", "integer", example=("chars_in(t, `3`)", {"t": "aé€"}, 2))
def chars_in(text: str, size: int) -> int:
    """How many characters of the text its first n bytes (UTF-8) hold."""
    return len(text.encode("utf-8", "surrogatepass")[: max(0, size)].decode("utf-8", "ignore"))


@function("bytes_in", "text", "integer", example=("bytes_in(t, `2`)", {"t": "aé€"}, 3))
def bytes_in(text: str, count: int) -> int:
    """How many bytes (UTF-8) the first n characters of the text have."""
    return len(text[: max(0, count)].encode("utf-8", "surrogatepass"))


@lru_cache(maxsize=1024)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _compiled(name: str, pattern: str) -> re.Pattern[str]:
    try:
        return _pattern(pattern)
    except re.error as error:
        raise FunctionError(name, f"is no regular expression: {error}", 2, "text") from None
