"""What the schema's errors are called where people read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.language.source import suggest

# By Cerberus' name of the rule that does not hold.
SAY: dict[str, Callable[[Any], str]] = {
    "type": lambda e: f"must be {_article(e.constraint)}, not {_kind(e.value)}",
    "nullable": lambda e: "must not be null",
    "min": lambda e: f"must be at least {e.constraint}",
    "max": lambda e: f"must be at most {e.constraint}",
    "minlength": lambda e: f"must have at least {e.constraint} characters",
    "empty": lambda e: "must not be empty",
    "required": lambda e: "is missing",
    "allowed": lambda e: f"{e.value} is not known{suggest(str(e.value), e.constraint)}",
    "regex": lambda e: "holds characters that have no place here",
    "anyof": lambda e: "must be a text, or a map with key and name",
}


def _article(kind: Any) -> str:
    words = {"dict": "a map", "list": "a list", "string": "a text", "boolean": "true or false"}
    return words.get(str(kind), f"a whole {'number'}" if kind == "integer" else "a number")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    words = {dict: "a map", list: "a list", str: "a text", int: "a number", float: "a number"}
    return words.get(type(value), "that")
