"""JSON Schemas for editors and other tools, made from what checks the files here."""

from __future__ import annotations

from typing import Any

from engine.language.directives import DIRECTIVES, IN_OBJECTS

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_TYPES = {
    "string": "string",
    "integer": "integer",
    "float": "number",
    "number": "number",
    "boolean": "boolean",
    "dict": "object",
    "list": "array",
}
_PLAIN = {"meta": "description", "default": "default", "min": "minimum", "max": "maximum"}


def document(schema: dict[str, Any], title: str) -> dict[str, Any]:
    """The JSON Schema of a file whose keys a Cerberus schema checks."""
    return {"$schema": DIALECT, "title": title, **_keys(schema, False)}


def converted(rule: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of one rule of Cerberus."""
    made: dict[str, Any] = {word: rule[key] for key, word in _PLAIN.items() if key in rule}
    if "anyof" in rule:
        return {**made, "anyOf": [converted(each) for each in rule["anyof"]]}
    kind = rule.get("type")
    if kind is None:
        return made
    made["type"] = _TYPES[kind]
    if "allowed" in rule:
        made["enum"] = list(rule["allowed"])
    if "regex" in rule:
        made["pattern"] = f"^(?:{rule['regex']})$"
    if rule.get("empty") is False:
        made["minLength"] = 1
    if kind == "dict":
        made |= _object(rule)
    elif kind == "list" and "schema" in rule:
        made["items"] = converted(rule["schema"])
    if "coerce" in rule:
        # a variable of the environment may stand for it
        made["type"] = [made["type"], "string"]
    if rule.get("nullable"):
        return {"anyOf": [made, {"type": "null"}]}
    return made


def mapping() -> dict[str, Any]:
    """The JSON Schema of a mapping file: which keys it has, and which directives there are."""
    directives = {*DIRECTIVES, *IN_OBJECTS, "$when", "$let", "$ignore", "$unknown"}
    directives.update(word for each in DIRECTIVES.values() for word in each.modifiers)
    node = {"$ref": "#/$defs/node"}
    nodes = {"type": "object", "additionalProperties": node}
    keys = {"type": "array", "items": {"type": "string"}}
    usual = {"type": "object", "additionalProperties": keys}
    return {
        "$schema": DIALECT,
        "title": "mapping",
        "type": "object",
        "properties": {
            "plan": nodes,
            "read": node,
            "write": node,
            "tables": {"type": "object"},
            "fragments": nodes,
            "usual": {
                "type": "object",
                "properties": {"read": usual, "write": usual},
                "additionalProperties": False,
            },
        },
        "additionalProperties": False,
        "$defs": {
            # without a type: what is no list and no object holds
            "node": {
                "items": node,
                # data, whatever it looks like
                "properties": {**dict.fromkeys(sorted(directives), node), "$literal": {}},
                "patternProperties": {r"^[^$]": node},
                "additionalProperties": False,
            }
        },
    }


def _object(rule: dict[str, Any]) -> dict[str, Any]:
    if "schema" in rule:
        return _keys(rule["schema"], bool(rule.get("allow_unknown")))
    made: dict[str, Any] = {}
    if "keysrules" in rule:
        names = converted(rule["keysrules"])
        made["propertyNames"] = {key: names[key] for key in names if key != "type"}
    if "valuesrules" in rule:
        made["additionalProperties"] = converted(rule["valuesrules"])
    return made


def _keys(schema: dict[str, Any], more: bool) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": "object",
        "properties": {key: converted(rule) for key, rule in schema.items()},
        "additionalProperties": more,
    }
    wanted = [key for key, rule in schema.items() if rule.get("required")]
    return {**made, "required": wanted} if wanted else made
