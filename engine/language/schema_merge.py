"""Two JSON Schemas as one: ``merge`` where both hold, ``widen`` where one of several does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]

_GREATER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains")
_LESSER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains")
_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_SCHEMAS = ("items", "additionalProperties", "contains", "propertyNames", "unevaluatedProperties")
_WORDS = ("title", "description", "default", "example", "examples", "$comment", "$id", "$schema")


def merge(a: Schema, b: Schema, lost: Callable[[str], None]) -> Schema:
    """A schema that holds what both say; neither is changed.

    ``a`` stands first in order and wins in words such as the description. ``lost`` is called with
    each keyword of ``b`` that could not be brought in.
    """
    out = dict(a)
    for key, value in b.items():
        if key not in out:
            out[key] = value
        elif out[key] != value or isinstance(value, bool) is not isinstance(out[key], bool):
            out[key] = _both(key, out[key], value, lost)
    return out


def widen(base: Schema, alternatives: list[Schema], lost: Callable[[str], None]) -> Schema:
    """One object with the properties of all alternatives; required is what all of them require."""
    properties: dict[str, Any] = {}
    common: list[str] | None = None
    for each in alternatives:
        for name, schema in (each.get("properties") or {}).items():
            known = properties.get(name, schema)
            properties[name] = known if known == schema else _either(known, schema)
        required = each.get("required") or []
        common = required if common is None else [name for name in common if name in required]
    wide: Schema = {"type": "object", "properties": properties}
    if common:
        wide["required"] = list(common)
    if alternatives and all(each.get("additionalProperties") is False for each in alternatives):
        wide["additionalProperties"] = False
    return merge(base, wide, lost)


def types_of(schema: Schema) -> list[str]:
    """The types a schema names, as a list; what is no name is not one."""
    named = schema.get("type")
    if isinstance(named, list):
        return [each for each in named if isinstance(each, str)]
    return [named] if isinstance(named, str) else []


def _either(a: Any, b: Any) -> Schema:
    alternatives = a["anyOf"] if isinstance(a, dict) and list(a) == ["anyOf"] else [a]
    return {"anyOf": alternatives if b in alternatives else [*alternatives, b]}


def _both(key: str, a: Any, b: Any, lost: Callable[[str], None]) -> Any:
    if key in _WORDS:
        return a
    if key in _GREATER and _numbers(a, b):
        return max(a, b)
    if key in _LESSER and _numbers(a, b):
        return min(a, b)
    if key == "type" and (common := _common_types(a, b)):
        return common[0] if len(common) == 1 else common
    if isinstance(a, list) and isinstance(b, list):
        if key == "required":
            return list(dict.fromkeys((*a, *b)))
        if key == "allOf":
            return [*a, *b]
        if key == "enum" and (values := _common_values(a, b)):
            return values
    if isinstance(a, dict) and isinstance(b, dict):
        if key in _MAPS:
            return {**a, **{name: _schema(a[name], each, lost) if name in a else each
                            for name, each in b.items()}}  # fmt: skip
        if key in _SCHEMAS:
            return merge(a, b, lost)
    if key in _SCHEMAS and isinstance(a, bool | dict) and isinstance(b, bool | dict):
        return _schema(a, b, lost)
    lost(key)
    return a


def _schema(a: Any, b: Any, lost: Callable[[str], None]) -> Any:
    """Both of two schemas that may be booleans."""
    if isinstance(a, dict) and isinstance(b, dict):
        return merge(a, b, lost)
    if a is False or b is False:
        return False
    return b if a is True else a


def _common_types(a: Any, b: Any) -> list[str]:
    left, right = types_of({"type": a}), types_of({"type": b})
    common = [each for each in left if each in right]
    if "integer" not in common and "integer" in (*left, *right) and "number" in (*left, *right):
        common.append("integer")
    return common


def _common_values(a: list[Any], b: list[Any]) -> list[Any]:
    texts = {json.dumps(value, sort_keys=True) for value in b}
    return [value for value in a if json.dumps(value, sort_keys=True) in texts]


def _numbers(a: Any, b: Any) -> bool:
    return all(isinstance(each, int | float) and not isinstance(each, bool) for each in (a, b))
