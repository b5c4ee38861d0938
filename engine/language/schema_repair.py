"""Malformed JSON Schemas as tool servers send them, made whole before any rule looks at them."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TYPES = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})

# Where subschemas stand: by name, in a list, alone.
MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
SINGLES = frozenset({
    "items", "additionalProperties", "additionalItems", "contains", "propertyNames", "not", "if",
    "then", "else", "unevaluatedItems", "unevaluatedProperties", "contentSchema",
})  # fmt: skip

# Numbers of things; where JSON has no numbers of 64 bits they are written as texts.
COUNTS = frozenset({
    "minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties",
})  # fmt: skip

# Keywords whose value may well be null.
_DATA = frozenset({"default", "const", "example", "examples"})


def repair(schema: Any) -> Any:
    """The schema with its mistakes mended; the same object when there are none.

    A bare map of properties is wrapped in an object, ``required: true`` is lifted from a property
    to its object, a type name alone becomes a schema, a list under ``items`` becomes
    ``prefixItems``, and values that a keyword cannot have are left out. Type names in capitals
    are written small, counts given as texts become numbers.
    """
    if isinstance(schema, str):
        return {"type": schema} if schema in TYPES else {}
    if not isinstance(schema, dict):
        return schema if isinstance(schema, bool) else {}
    named = schema.get("type")
    if isinstance(named, str) and named not in TYPES and named.lower() in TYPES:
        schema = {**schema, "type": named.lower()}
    spelt = [key for key in COUNTS & schema.keys() if _is_count(schema[key])]
    if spelt:
        schema = {key: int(each) if key in spelt else each for key, each in schema.items()}
    if _bare_properties(schema):
        schema = {"type": "object", "properties": schema}
    bad = [key for key, value in schema.items() if not _possible(key, value)]
    lifted = _lifted(schema)
    tuple_like = isinstance(schema.get("items"), list)
    if not bad and not lifted and not tuple_like:
        return schema
    out = {key: value for key, value in schema.items() if key not in bad}
    if tuple_like:
        out = _of_today(out)
    if lifted:
        out["required"] = [*out.get("required", ()), *lifted]
    return out


def _is_count(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20


def _bare_properties(schema: Schema) -> bool:
    if not schema or not all(_is_typed(value) for value in schema.values()):
        return False
    return any(key not in MAPS and key not in SINGLES for key in schema)


def _is_typed(value: Any) -> bool:
    """Whether it can only be a schema: it says a type or something that stands for one."""
    if not isinstance(value, dict):
        return False
    named = value.get("type")
    return (
        (isinstance(named, str) and named in TYPES)
        or isinstance(named, list)
        or isinstance(value.get("$ref"), str)
        or isinstance(value.get("anyOf"), list)
        or isinstance(value.get("enum"), list)
    )


def _possible(key: str, value: Any) -> bool:
    if key == "required":
        return isinstance(value, list) and all(isinstance(name, str) for name in value)
    if key == "type":
        names = value if isinstance(value, list) else [value]
        return bool(names) and all(isinstance(name, str) for name in names)
    if key in MAPS:
        return isinstance(value, dict)
    if key in LISTS or key == "enum":
        return isinstance(value, list) and len(value) > 0
    return value is not None or key in _DATA


def _of_today(schema: Schema) -> Schema:
    """A list under ``items`` as ``prefixItems``, as JSON Schema has it since 2020."""
    out = {("prefixItems" if key == "items" else key): each for key, each in schema.items()}
    if "additionalItems" in out:
        out["items"] = out.pop("additionalItems")
    return out


def _lifted(schema: Schema) -> list[str]:
    """The properties that say ``required: true`` of themselves."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return []
    listed = schema.get("required")
    known = {name for name in listed if isinstance(name, str)} if isinstance(listed, list) else ()
    return [
        name
        for name, each in properties.items()
        if isinstance(each, dict) and each.get("required") is True and name not in known
    ]
