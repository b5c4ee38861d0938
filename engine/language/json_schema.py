"""JSON Schemas for editors and other tools, made from what checks the files here."""

from __future__ import annotations

from typing import Any

from engine.language.directives import DIRECTIVES, IN_OBJECTS
from engine.language.schema_rules import CHOICES, CONDITIONS, FLAGS, REFUSALS, SUPPLIES, WORDS

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


def document(rule: dict[str, Any], title: str) -> dict[str, Any]:
    """The JSON Schema of a file that holds to a rule of Cerberus."""
    return {"$schema": DIALECT, "title": title, **converted(rule)}


def converted(rule: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of one rule of Cerberus."""
    made: dict[str, Any] = {word: rule[key] for key, word in _PLAIN.items() if key in rule}
    if "anyof" in rule:
        return {**made, "anyOf": [converted(each) for each in rule["anyof"]]}
    kind = rule.get("type")
    if kind is None:
        return made
    made["type"] = [_TYPES[k] for k in kind] if isinstance(kind, list) else _TYPES[kind]
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


def rules(title: str, at: dict[str, Any], **more: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a file of rules of Cerberus.

    ``at`` is what stands around them and refers to ``#/$defs/row``: a rule that says ``more``.
    """
    rule = {"$ref": "#/$defs/rule"}
    named = {"type": "object", "additionalProperties": rule}
    kind = {"enum": sorted(_TYPES)}
    keys: dict[str, Any] = {
        "type": {"anyOf": [kind, {"type": "array", "items": kind}]},
        "allowed": {"type": "array"},
        "regex": {"type": "string", "format": "regex"},
        "min": {"type": "number"},
        "max": {"type": "number"},
        "nullable": {"type": "boolean"},
        "required": {"type": "boolean"},
        "meta": {"type": "string"},
        "keysrules": rule,
        "valuesrules": rule,
        "schema": True,
    }
    inner = {
        "if": {"properties": {"type": {"const": "list"}}},
        "then": {"properties": {"schema": rule}},
        # of another one by its name, or here
        "else": {"properties": {"schema": {"anyOf": [{"type": "string"}, named]}}},
    }
    one = {"type": "object", "additionalProperties": False, "required": ["type"], **inner}
    row = {**one, "properties": {**keys, **more}, "required": ["type", *more]}
    defs = {"rule": {**one, "properties": keys}, "row": row}
    return {"$schema": DIALECT, "title": title, **at, "$defs": defs}


def profiles() -> dict[str, Any]:
    """The JSON Schema of a file of profiles of JSON Schema."""
    action = {"$ref": "#/$defs/action"}
    rename = {
        "type": "object",
        "properties": {"rename": {"type": "string"}},
        "required": ["rename"],
        "additionalProperties": False,
    }
    values = {"type": "array"}
    by_type = {"type": "object", "additionalProperties": values}
    conditions = [
        {
            "type": "object",
            "properties": {
                word: by_type if word == "by-type" else values,
                "else": action,
                "text-for": {"type": "array", "items": {"type": "string"}},
            },
            "required": [word, "else"],
            "additionalProperties": False,
        }
        for word in CONDITIONS
    ]
    options: dict[str, Any] = {
        "keywords": {"type": "object", "additionalProperties": action},
        "other": action,
        "refuse": {"type": "array", "items": {"enum": list(REFUSALS)}},
        **{name: {"enum": list(words)} for name, words in CHOICES.items()},
        **{name: {"type": "boolean"} for name in FLAGS},
        **{name: {"type": "object"} for name in SUPPLIES},
    }
    profile = {
        "type": "object",
        "properties": {name.replace("_", "-"): rule for name, rule in options.items()},
        "additionalProperties": False,
    }
    return {
        "$schema": DIALECT,
        "title": "schema-profiles",
        "type": "object",
        "properties": {"profiles": {"type": "object", "additionalProperties": profile}},
        "required": ["profiles"],
        "additionalProperties": False,
        "$defs": {"action": {"anyOf": [{"enum": list(WORDS)}, rename, *conditions]}},
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
