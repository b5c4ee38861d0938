"""The single moves of a schema rewriting: which values stay, null, alternatives, descriptions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol

from engine.language.schema_merge import merge, types_of
from engine.language.schema_repair import repair

Schema = dict[str, Any]

# Stands for a keyword that does not stay; None is a value.
GONE: Any = object()

_CONTAINERS = 192  # maps and lists inside each other
_VALUES = 20_000

_OF_NUMBERS = (
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format",
)  # fmt: skip
_OWN_KEYWORDS = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": _OF_NUMBERS,
    "integer": _OF_NUMBERS,
    "array": ("items", "minItems", "maxItems", "uniqueItems", "prefixItems"),
    "object": ("properties", "required", "additionalProperties", "minProperties", "maxProperties"),
}
_ALL_OWN = frozenset(word for words in _OWN_KEYWORDS.values() for word in words)


class Condition(Protocol):
    """The part of an action that says which values stay."""

    @property
    def kind(self) -> str: ...
    @property
    def values(self) -> Any: ...
    @property
    def text_for(self) -> tuple[str, ...]: ...


def held(condition: Condition, value: Any, node: Schema) -> Any:
    """The value as a condition lets it stay, or GONE."""
    if condition.kind in ("in", "not-in"):
        found = any(_equal(value, each) for each in condition.values)
        return value if found is (condition.kind == "in") else GONE
    types = types_of(node)
    if condition.kind == "by-type":
        return value if any(value in condition.values.get(each, ()) for each in types) else GONE
    kinds = {kind(each) for each in value}
    if kinds <= set(condition.values):
        return value
    if kinds <= {"string", "number"} and types and set(types) <= set(condition.text_for):
        return [each if isinstance(each, str) else json.dumps(each) for each in value]
    return GONE


def const_as_enum(node: Schema) -> Schema:
    """``const: v`` as ``enum: [v]``, which replaces an enum beside it."""
    return {
        ("enum" if key == "const" else key): ([value] if key == "const" else value)
        for key, value in node.items()
        if key != "enum"
    }


def null_in_enum(node: Schema) -> Schema:
    """Null moves from an enum that may not hold it to the type."""
    values = node.get("enum") or []
    left = [value for value in values if value is not None]
    if len(left) == len(values) or not left:
        return node
    types = types_of(node) or sorted({kind(value) for value in left})
    return {**node, "enum": left, "type": [*(each for each in types if each != "null"), "null"]}


def nullable(node: Schema, lost: Callable[[str], None]) -> Schema:
    """``null`` among types or alternatives as ``nullable: true``."""
    types = types_of(node)
    if "null" in types:
        left = [each for each in types if each != "null"]
        node = {**without(node, "type"), "nullable": True}
        if left:
            node = {"type": left[0] if len(left) == 1 else left, **node}
    alternatives = node.get("anyOf") or []
    others = [each for each in alternatives if not _is_null(each)]
    if len(others) < len(alternatives):
        node = {**without(node, "anyOf"), "nullable": True}
        only = repair(others[0]) if len(others) == 1 else None
        if isinstance(only, dict):
            return merge(node, only, lost)
        if others:
            node["anyOf"] = others
    return node


def null_in_types(node: Schema) -> Schema:
    """``nullable: true`` as ``null`` among the types."""
    if not isinstance(node.get("nullable"), bool):
        return node
    plain = without(node, "nullable")
    return or_null(plain) if node["nullable"] else plain


def or_null(schema: Any) -> Any:
    """The schema that takes null, too."""
    if not isinstance(schema, dict):
        return schema
    types, alternatives = types_of(schema), schema.get("anyOf")
    if _is_null(schema) or (not types and None in schema.get("enum", ())):
        return schema
    if "const" in schema or ("enum" in schema and not types) or "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    out = dict(schema)
    if types and "null" not in types:
        out["type"] = [*types, "null"]
    if types and None not in schema.get("enum", [None]):
        out["enum"] = [*schema["enum"], None]
    if alternatives and not any(_is_null(each) for each in alternatives):
        out["anyOf"] = [*alternatives, {"type": "null"}]
    return schema if same(out, schema) else out


def alternative(schema: Any, rest: Schema, lost: Callable[[str], None]) -> Any:
    """One alternative with what stood beside anyOf, except what belongs to another type."""
    schema = repair(schema)
    if not isinstance(schema, dict):
        return rest
    types = types_of(schema)
    if types and "type" not in rest:
        own = {word for each in types for word in _OWN_KEYWORDS.get(each, ())}
        rest = {key: value for key, value in rest.items() if key not in _ALL_OWN or key in own}
        if "enum" in rest:
            kinds = {"number" if each == "integer" else each for each in types}
            fitting = [value for value in rest["enum"] if kind(value) in kinds]
            rest = {**rest, "enum": fitting} if fitting else without(rest, "enum")
    return merge(schema, rest, lost)


def is_object(schema: Any) -> bool:
    """Whether the schema speaks of objects."""
    return isinstance(schema, dict) and (
        "object" in types_of(schema) or "properties" in schema or "required" in schema
    )


def kind(value: Any) -> str:
    """The JSON Schema type of a value; whole numbers are ``number``, too."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else "object" if isinstance(value, dict) else "array"


def described(description: Any, moved: Schema) -> str:
    """A description that tells what left the schema, ``{minimum: 1, maximum: 10}``."""
    told = ", ".join(
        f"{key}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for key, value in moved.items()
    )
    head = f"{description}\n\n" if isinstance(description, str) and description else ""
    return f"{head}{{{told}}}"


def without(schema: Schema, *keys: str) -> Schema:
    """A copy without these keys."""
    return {key: value for key, value in schema.items() if key not in keys}


def same(a: Schema, b: Schema) -> bool:
    """Whether both hold the very same values under equal keys in the same order."""
    return len(a) == len(b) and all(
        one == other and a[one] is b[other] for one, other in zip(a, b, strict=True)
    )


def too_large(schema: Schema) -> bool:
    """Whether it is nested too deeply, or holds too much, to be looked at closely."""
    layer: list[Any] = [schema]
    count = 0
    for _ in range(_CONTAINERS):
        inner = [
            each
            for container in layer
            for each in (container.values() if isinstance(container, dict) else container)
        ]
        count += len(inner)
        layer = [each for each in inner if isinstance(each, dict | list)]
        if not layer or count > _VALUES:
            return count > _VALUES
    return True


def _is_null(schema: Any) -> bool:
    return isinstance(schema, dict) and (
        schema.get("type") in ("null", ["null"])
        or schema.get("enum") == [None]
        or ("const" in schema and schema["const"] is None)
    )


def _equal(a: Any, b: Any) -> bool:
    return bool(a == b) and isinstance(a, bool) is isinstance(b, bool)
