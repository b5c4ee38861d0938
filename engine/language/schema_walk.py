"""The walk over one JSON Schema by the rules of one profile.

A node goes through four steps: repair; references and allOf (``_expand``); types and alternatives
(``_shape``); then each keyword by its action, and what an object, an array or an enum needs besides. A
node that comes out as it went in is the same object, so an unchanged schema is the caller's own.

Names under ``properties``, ``$defs`` and the like are names, never keywords. Depth and the number of
nodes are bounded; what is beyond becomes a plain object.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from engine.language.schema_merge import merge, types_of, widen
from engine.language.schema_refs import Refs, pointer, segments
from engine.language.schema_repair import LISTS, MAPS, SINGLES, repair

Schema = dict[str, Any]

_LEVELS = 64  # schemas inside schemas
_CONTAINERS = 192  # maps and lists inside each other
_NODES = 20_000  # nodes up to which references are written out

_DEFINITIONS = ("$defs", "definitions")
_SAYING_A_TYPE = ("type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const")


@dataclass(frozen=True, slots=True)
class Action:
    """What happens to a keyword: a word of the file, or a condition with its values and ``otherwise``."""

    kind: str
    to: str = ""
    values: Any = None
    text_for: tuple[str, ...] = ()
    otherwise: Action | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """The options of one profile; the head of mappings/schema-profiles.yaml says what each means."""

    keywords: dict[str, Action] = field(default_factory=dict)
    patterns: tuple[tuple[str, Action], ...] = ()
    other: Action = Action("keep")
    root_object: bool = False
    root_alternatives: str = "keep"
    closed_objects: bool = False
    required: str = "as-is"
    refs: str = "keep"
    ref_siblings: str = "keep"
    recursion: str = "keep"
    null_type: str = "keep"
    several_types: str = "keep"
    alternatives_alone: bool = False
    enum_type: str = "keep"
    any: str = "keep"
    array_items: Schema | None = None
    object_properties: Schema | None = None
    refuse: frozenset[str] = frozenset()

    def action(self, keyword: str) -> Action:
        """The action for a keyword."""
        found = self.keywords.get(keyword)
        if found is None:
            matching = (each for pattern, each in self.patterns if re.match(pattern, keyword))
            found = next(matching, self.other)
        return found


class Walk:
    """One rewriting of one schema. ``losses`` and ``meaning_changed`` hold after ``run``."""

    def __init__(self, rules: Rules, schema: Any) -> None:
        self.rules = rules
        self.losses: dict[str, None] = {}
        self.meaning_changed = False
        self._schema = schema
        self._nodes = 0
        self._names: dict[str, str] = {}
        self._refs = Refs({})

    def run(self) -> Any:
        """The rewritten schema, or the one given when nothing changes."""
        schema = self._schema
        if schema is True or schema is None:
            schema = {}
        if not isinstance(schema, dict) or _deeper_than(schema, _CONTAINERS):
            self._lose("a schema that is none or is nested too deeply is replaced by a plain object")
            return {"type": "object", "properties": {}}
        schema = repair(schema)
        self._refs = Refs(schema)
        if self.rules.root_object:
            schema = self._root(schema)
        schema = self._merge_definitions(schema)
        return self._node(schema, 0, (), "#")

    # Losses ------------------------------------------------------------------------------------

    def _lose(self, sentence: str) -> None:
        self.losses.setdefault(sentence)
        self.meaning_changed = True

    def _lose_merged(self, keyword: str) -> None:
        self._lose(f"{keyword} says two things that cannot be merged; the first stays")

    def _refuse(self, construct: str) -> None:
        if construct in self.rules.refuse:
            self.meaning_changed = True

    # The root ----------------------------------------------------------------------------------

    def _root(self, schema: Schema) -> Schema:
        seen: set[str] = set()
        while isinstance(ref := schema.get("$ref"), str) and ref not in seen:
            target = self._refs.resolve(ref)
            if target is None:
                break
            seen.add(ref)
            schema = merge(_without(schema, "$ref"), _without(target, *_DEFINITIONS), self._lose_merged)
        if self.rules.root_alternatives == "flatten":
            schema = self._flatten(schema)
        types = types_of(schema)
        if "object" in types and len(types) > 1:
            return {**schema, "type": "object"}
        if types or any(word in schema for word in ("anyOf", "oneOf", "enum", "const", "items", "$ref")):
            return schema
        if "allOf" in schema:
            return {"type": "object", **schema}
        return {"type": "object", "properties": {}, **schema}

    def _flatten(self, schema: Schema) -> Schema:
        entries = [self._opened(each) for each in schema.get("allOf", ())]
        if entries:
            schema = _without(schema, "allOf")
            for each in entries:
                schema = merge(schema, each, self._lose_merged)
        for word in ("anyOf", "oneOf"):
            if word not in schema:
                continue
            objects = [each for each in map(self._opened, schema[word]) if _is_object(each)]
            if not objects:
                self._refuse("root-alternatives")
                continue
            base = _without(schema, word)
            schema = widen(base, [merge(base, each, lambda _: None) for each in objects],
                           self._lose_merged)  # fmt: skip
            self._lose(f"{word} at the root is widened to one object with the properties of all")
        return schema

    def _opened(self, schema: Any) -> Schema:
        """An alternative with the reference it consists of followed."""
        schema = repair(schema)
        if not isinstance(schema, dict):
            return {}
        ref = schema.get("$ref")
        target = self._refs.resolve(ref) if isinstance(ref, str) else None
        if target is None or "$ref" in target:
            return schema
        return merge(_without(schema, "$ref"), _without(target, *_DEFINITIONS), self._lose_merged)

    def _merge_definitions(self, schema: Schema) -> Schema:
        """Definitions that are renamed move into the map of the new name; references follow."""
        for old in _DEFINITIONS:
            action = self.rules.action(old)
            if action.kind != "rename" or old not in schema:
                continue
            definitions = dict(schema.get(action.to) or {})
            for name, each in schema[old].items():
                free = name
                while free in definitions:
                    free += "_"
                definitions[free] = each
                self._names[pointer([old, name])] = pointer([action.to, free])
            schema = {**_without(schema, old), action.to: definitions}
        return schema

    # A node ------------------------------------------------------------------------------------

    def _node(self, source: Any, level: int, active: tuple[str, ...], home: str) -> Any:
        """One schema rewritten. ``active``: references being written out; ``home``: the definition we are in."""
        self._nodes += 1
        if isinstance(source, bool):
            return {} if source and self.rules.any == "empty" else source
        if level > _LEVELS:
            self._lose("what is nested too deeply is left out")
            return {"type": "object"}
        node = repair(source)
        for _ in range(_LEVELS):
            before = node
            node, active = self._expand(node, active)
            node = self._shape(node)
            if node is before:
                break
        out: Schema = {}
        moved: dict[str, Any] = {}
        for keyword, value in node.items():
            value = self._judge(keyword, value, node, moved)
            if value is not _GONE:
                out[keyword] = self._children(keyword, value, level, active, home)
        self._complete(out, home)
        if moved:
            out["description"] = _described(out.get("description"), moved)
        return source if isinstance(source, dict) and _same(out, source) else out

    def _judge(self, keyword: str, value: Any, node: Schema, moved: dict[str, Any]) -> Any:
        """The value if the keyword stays, else _GONE with what is said about it."""
        action = self.rules.action(keyword)
        if action.kind in ("in", "not-in", "by-type", "kinds"):
            kept = _held(action, value, node)
            if kept is not _GONE or action.otherwise is None:
                return kept
            action = action.otherwise
        if action.kind in ("keep", "merge", "const-as-enum", "rename"):
            return value
        if action.kind == "to-description":
            moved[keyword] = value
            self._lose(f"{keyword} is moved into the description")
        elif action.kind == "drop":
            self._lose(f"{keyword} is left out")
        return _GONE

    def _children(self, keyword: str, value: Any, level: int, active: tuple[str, ...], home: str) -> Any:
        if keyword in MAPS and isinstance(value, dict):
            walked = {}
            for name, each in value.items():
                inner = pointer([keyword, name]) if keyword in _DEFINITIONS and not level else home
                walked[name] = self._node(each, level + 1, active, inner)
            return value if _same(walked, value) else walked
        if isinstance(value, list) and (keyword in LISTS or keyword == "items"):
            nodes = [self._node(each, level + 1, active, home) for each in value]
            return value if all(a is b for a, b in zip(nodes, value, strict=True)) else nodes
        if keyword in SINGLES and isinstance(value, dict):
            return self._node(value, level + 1, active, home)
        if keyword == "$ref" and isinstance(value, str):
            if "recursion" in self.rules.refuse and self._refs.recursive(value):
                self._refuse("recursion")
            return self._names.get(value, value)
        return value

    # References and allOf ----------------------------------------------------------------------

    def _expand(self, node: Schema, active: tuple[str, ...]) -> tuple[Schema, tuple[str, ...]]:
        for _ in range(_LEVELS):
            if isinstance(node.get("$ref"), str):
                opened, active = self._open(node, active)
            elif "allOf" in node and self.rules.action("allOf").kind == "merge":
                opened, active = self._merged(node, active)
            else:
                break
            if opened is node:
                break
            node = opened
        return node, active

    def _open(self, node: Schema, active: tuple[str, ...]) -> tuple[Schema, tuple[str, ...]]:
        """A node with a reference: as it is, without what stands beside it, or written out."""
        rules = self.rules
        if rules.refs == "keep" and rules.ref_siblings == "keep":
            return node, active
        ref = node["$ref"]
        beside = {key: value for key, value in node.items() if not key.startswith("$")}
        target = self._refs.resolve(ref)
        if target is None:
            self._lose("a $ref to what is not in the schema is left out")
            return _without(node, "$ref"), active
        words = segments(ref)
        fixed = not words or (len(words) == 2 and words[0] in _DEFINITIONS)
        must = rules.refs == "inline" or not fixed
        if not must and not beside:
            return node, active
        cyclic = ref in active or self._nodes > _NODES
        if not must and (rules.ref_siblings == "drop" or cyclic or self._refs.recursive(ref)):
            self._lose("what stands beside $ref is left out")
            return {key: value for key, value in node.items() if key.startswith("$")}, active
        if cyclic:
            self._lose("a recursive $ref is cut to a plain object")
            return merge(_without(node, "$ref"), self._stub(ref, target), self._lose_merged), active
        base = _without(node, "$ref")
        target = repair(_without(target, *_DEFINITIONS))
        return merge(base, target, self._lose_merged), (*active, ref)

    def _stub(self, ref: str, target: Schema) -> Schema:
        name = segments(ref)[-1] if segments(ref) else "the whole"
        title = target.get("title")
        word = title if isinstance(title, str) else name
        return {"type": "object", "description": f"(again: {word})"}

    def _merged(self, node: Schema, active: tuple[str, ...]) -> tuple[Schema, tuple[str, ...]]:
        """A node with its allOf entries merged into it."""
        out = _without(node, "allOf")
        for entry in node["allOf"]:
            each = repair(entry)
            if not isinstance(each, dict):
                continue
            ref = each.get("$ref")
            if isinstance(ref, str) and ("$ref" in out or len(node["allOf"]) > 1):
                target = self._refs.resolve(ref)
                if target is None or ref in active or self._nodes > _NODES:
                    self._lose("a $ref in allOf that leads nowhere or back is left out")
                    each = _without(each, "$ref")
                else:
                    active = (*active, ref)
                    each = merge(_without(each, "$ref"), repair(_without(target, *_DEFINITIONS)),
                                 self._lose_merged)  # fmt: skip
            out = merge(out, each, self._lose_merged)
        return out, active

    # Types and alternatives --------------------------------------------------------------------

    def _shape(self, node: Schema) -> Schema:
        rules = self.rules
        if "const" in node and rules.action("const").kind == "const-as-enum":
            node = {("enum" if key == "const" else key): ([value] if key == "const" else value)
                    for key, value in node.items() if key != "enum"}  # fmt: skip
        node = self._renamed(node)
        node = self._null_in_enum(node)
        if rules.null_type == "nullable":
            node = _nullable(node, self._lose_merged)
        types = types_of(node)
        if rules.several_types == "any-of" and len(types) > 1:
            rest = _without(node, "type")
            # Alternatives that stand there already say more than the types do.
            node = rest if "anyOf" in node else {**rest, "anyOf": [{"type": each} for each in types]}
        if rules.alternatives_alone and "anyOf" in node and self._nodes <= _NODES:
            rest = {key: value for key, value in node.items() if key not in ("anyOf", *_DEFINITIONS)}
            if rest:
                node = {"anyOf": [self._alternative(each, rest) for each in node["anyOf"]]}
        return node

    def _alternative(self, schema: Any, rest: Schema) -> Any:
        schema = repair(schema)
        if not isinstance(schema, dict):
            return rest
        fitting = rest
        types = types_of(schema)
        if types and "type" not in rest:
            # What belongs to another type than this alternative's says nothing here.
            fitting = {key: value for key, value in rest.items() if _concerns(key, types)}
        return merge(schema, fitting, self._lose_merged)

    def _renamed(self, node: Schema) -> Schema:
        for keyword in list(node):
            action = self.rules.action(keyword)
            if action.kind != "rename" or keyword in _DEFINITIONS:
                continue
            if action.to in node:
                self._lose(f"{keyword} beside {action.to} is left out")
                node = _without(node, keyword)
            else:
                node = {(action.to if key == keyword else key): each for key, each in node.items()}
        return node

    def _null_in_enum(self, node: Schema) -> Schema:
        """Null moves from an enum that may not hold it to the type."""
        action, values = self.rules.action("enum"), node.get("enum")
        if action.kind != "kinds" or "null" in action.values or not isinstance(values, list):
            return node
        left = [value for value in values if value is not None]
        if len(left) == len(values) or not left:
            return node
        types = types_of(node) or sorted({_kind(value) for value in left})
        return {**node, "enum": left, "type": [*(t for t in types if t != "null"), "null"]}

    # What an object, an array, an enum needs ----------------------------------------------------

    def _complete(self, out: Schema, home: str) -> None:
        rules, types = self.rules, types_of(out)
        if "enum" in out and rules.enum_type == "drop":
            out.pop("type", None)
        if "enum" in out and rules.enum_type == "supply" and not types:
            out["type"] = _kind(out["enum"][0])
        if "object" in types or "properties" in out:
            self._complete_object(out, home)
        if "array" in types and "items" not in out and "prefixItems" not in out:
            if rules.array_items is not None:
                out["items"] = rules.array_items
            self._refuse("bare-array")
        if not any(word in out for word in _SAYING_A_TYPE):
            self._refuse("any")

    def _complete_object(self, out: Schema, home: str) -> None:
        rules = self.rules
        if rules.object_properties is not None and "properties" not in out:
            out["properties"] = rules.object_properties
        properties = out.get("properties") or {}
        required = out.get("required") or []
        if rules.closed_objects and out.get("additionalProperties") is not False:
            if "additionalProperties" in out:
                self._lose("additionalProperties is left out: objects take only the named properties")
            self.meaning_changed = True
            out["additionalProperties"] = False
        if rules.recursion == "optional" and required:
            free = [name for name in required if self._leads_home(properties.get(name), home)]
            if free:
                self._lose("a property that leads back to its own schema is no longer required")
                self._require(out, [name for name in required if name not in free])
        if rules.required == "known" and "required" in out:
            self._require(out, [name for name in required if name in properties])
        if rules.required == "all" and "properties" in out:
            optional = [name for name in properties if name not in required]
            if optional:
                self._lose("properties that may be missing must be given and may be null")
                out["properties"] = {name: _or_null(each) if name in optional else each
                                     for name, each in properties.items()}  # fmt: skip
            if optional or set(required) != set(properties):
                out["required"] = list(properties)
            elif "required" not in out:
                out["required"] = []

    def _require(self, out: Schema, names: list[str]) -> None:
        if not names:
            out.pop("required", None)
        elif names != out["required"]:
            out["required"] = names

    def _leads_home(self, schema: Any, home: str) -> bool:
        """Whether a required property cannot be given without the schema it stands in."""
        waiting = [schema]
        back = {new: old for old, new in self._names.items()}
        while waiting:
            each = waiting.pop()
            if isinstance(each, list):
                waiting.extend(each)
                continue
            if not isinstance(each, dict):
                continue
            ref = each.get("$ref")
            if isinstance(ref, str):
                if self._refs.leads(back.get(ref, ref), back.get(home, home)):
                    return True
                continue
            needed = each.get("required") or []
            properties = each.get("properties") or {}
            waiting.extend(properties[name] for name in needed if name in properties)
            waiting.extend(each[word] for word in ("items", "anyOf", "oneOf", "prefixItems") if word in each)
        return False


_GONE: Any = object()

_OWN_KEYWORDS = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"),
    "array": ("items", "minItems", "maxItems", "uniqueItems", "prefixItems"),
    "object": ("properties", "required", "additionalProperties", "minProperties", "maxProperties"),
}
_ALL_OWN = frozenset(word for words in _OWN_KEYWORDS.values() for word in words)


def _concerns(keyword: str, types: list[str]) -> bool:
    return keyword not in _ALL_OWN or any(keyword in _OWN_KEYWORDS.get(each, ()) for each in types)


def _held(action: Action, value: Any, node: Schema) -> Any:
    """The value a condition lets stay, or _GONE."""
    if action.kind == "in":
        return value if any(_equal(value, each) for each in action.values) else _GONE
    if action.kind == "not-in":
        return _GONE if any(_equal(value, each) for each in action.values) else value
    types = types_of(node)
    if action.kind == "by-type":
        allowed = any(value in action.values.get(each, ()) for each in types)
        return value if allowed else _GONE
    kinds = {_kind(each) for each in value} if isinstance(value, list) else {"none"}
    if kinds <= set(action.values):
        return value
    as_text = kinds <= {"string", "number"} and types and all(each in action.text_for for each in types)
    return [each if isinstance(each, str) else json.dumps(each) for each in value] if as_text else _GONE


def _nullable(node: Schema, lost: Any) -> Schema:
    """``null`` among types or alternatives becomes ``nullable: true``."""
    types = types_of(node)
    if "null" in types:
        left = [each for each in types if each != "null"]
        node = {**_without(node, "type"), "nullable": True}
        if left:
            node = {"type": left[0] if len(left) == 1 else left, **node}
    alternatives = node.get("anyOf")
    if isinstance(alternatives, list):
        left = [each for each in alternatives if not _is_null(each)]
        if len(left) < len(alternatives):
            node = {**_without(node, "anyOf"), "nullable": True}
            if len(left) > 1:
                node["anyOf"] = left
            elif left and isinstance(left[0], dict):
                node = merge(node, left[0], lost)
    return node


def _or_null(schema: Any) -> Any:
    """The schema that takes null, too."""
    if not isinstance(schema, dict):
        return schema
    out = dict(schema)
    if isinstance(values := out.get("enum"), list) and None not in values:
        out["enum"] = [*values, None]
    types = types_of(out)
    if types:
        if "null" not in types:
            out["type"] = [*types, "null"]
    elif isinstance(alternatives := out.get("anyOf"), list):
        if not any(_is_null(each) for each in alternatives):
            out["anyOf"] = [*alternatives, {"type": "null"}]
    elif "$ref" in out or "const" in out:
        return {"anyOf": [out, {"type": "null"}]}
    if "const" in out:
        return {"anyOf": [schema, {"type": "null"}]}
    return schema if _same(out, schema) else out


def _is_null(schema: Any) -> bool:
    return isinstance(schema, dict) and (
        schema.get("type") in ("null", ["null"])
        or schema.get("enum") == [None]
        or ("const" in schema and schema["const"] is None)
    )


def _is_object(schema: Schema) -> bool:
    return "object" in types_of(schema) or "properties" in schema or "required" in schema


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else "object" if isinstance(value, dict) else "array"


def _equal(a: Any, b: Any) -> bool:
    return bool(a == b) and isinstance(a, bool) is isinstance(b, bool)


def _described(description: Any, moved: dict[str, Any]) -> str:
    told = ", ".join(
        f"{key}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for key, value in moved.items()
    )
    return f"{description}\n\n{{{told}}}" if isinstance(description, str) and description else f"{{{told}}}"


def _without(schema: Schema, *keys: str) -> Schema:
    return {key: value for key, value in schema.items() if key not in keys}


def _same(a: Schema, b: Schema) -> bool:
    """Equal in order, and holding the very same values."""
    return len(a) == len(b) and all(
        left is right and a[left_key] is b[right_key]
        for (left_key, right_key) in zip(a, b, strict=True)
        for left, right in ((left_key, right_key),)
    )


def _deeper_than(value: Any, limit: int) -> bool:
    layer = [value]
    for _ in range(limit):
        layer = [
            inner
            for each in layer
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not layer:
            return False
    return True
