"""Values in sentences: what losses and refusals say of them, and the null written on purpose."""

from __future__ import annotations

from typing import Any

from engine.language.functions import json_text


class Null:
    """The only value of it, ``NULL``, is a null that a mapping wrote on purpose."""

    def __repr__(self) -> str:
        return "NULL"


NULL = Null()


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
