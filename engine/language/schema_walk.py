"""The walk over one JSON Schema by the rules of one profile.

A node goes through four steps: repair; references and allOf (``_expand``); types and alternatives
(``_shape``); then each keyword by its action, and what objects, arrays and enums need besides.
A node that comes out as it went in is the same object: an unchanged schema is the caller's own.

Names under ``properties``, ``$defs`` and the like are names, never keywords. Depth and the number
of nodes are bounded; what is beyond becomes a plain object.
"""

from __future__ import annotations

from typing import Any

from engine.language.schema_merge import merge, types_of, widen
from engine.language.schema_refs import Refs, pointer, segments
from engine.language.schema_repair import LISTS, MAPS, SINGLES, repair
from engine.language.schema_rules import Rules
from engine.language.schema_shapes import (
    GONE,
    alternative,
    const_as_enum,
    described,
    held,
    is_object,
    kind,
    null_in_enum,
    null_in_types,
    nullable,
    or_null,
    same,
    too_large,
    without,
)

Schema = dict[str, Any]

_LEVELS = 64  # schemas inside schemas
_WRITTEN_OUT = 10_000  # nodes up to which references are written out and alternatives multiplied
_NODES = 40_000  # nodes at all
_LOOKS = 100_000  # steps of looking for properties that lead back

_DEFINITIONS = ("$defs", "definitions")
_NEEDED = ("items", "anyOf", "oneOf", "prefixItems")
_SAYING_A_TYPE = ("type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const")


class Walk:
    """One rewriting of one schema. ``losses`` and ``meaning_changed`` hold after ``run``."""

    def __init__(self, rules: Rules, schema: Any) -> None:
        self.rules = rules
        self.losses: dict[str, None] = {}
        self.meaning_changed = False
        self._schema = schema
        self._nodes = 0
        self._looks = 0
        # References to definitions that move under another name, and the way back.
        self._names: dict[str, str] = {}
        self._old_names: dict[str, str] = {}
        self._refs = Refs({})

    def run(self) -> Any:
        """The rewritten schema, or the one given when nothing changes."""
        schema = self._schema
        if schema is True or schema is None:
            schema = {}
        large = isinstance(schema, dict) and too_large(schema)
        if large and not self.rules.keywords:
            return schema
        if large or not isinstance(schema, dict):
            self._lose("a schema that is none or is too large is replaced by a plain object")
            schema = {"type": "object", "properties": {}}
        schema = repair(schema)
        self._refs = Refs(schema)
        if self.rules.root_object:
            schema = self._root(schema)
            if types_of(schema) != ["object"]:
                self._refuse("root-type")
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
            schema = merge(
                without(schema, "$ref"), repair(without(target, *_DEFINITIONS)), self._lose_merged
            )
        if "$ref" in schema:
            self._lose("a $ref at the root that leads nowhere is left out")
            schema = without(schema, "$ref")
        if self.rules.root_alternatives == "flatten":
            schema = self._flatten(schema)
        types = types_of(schema)
        if "object" in types and len(types) > 1:
            return {**schema, "type": "object"}
        if types or any(word in schema for word in ("enum", "const", "items")):
            return schema
        for word in ("anyOf", "oneOf", "allOf"):
            if word in schema:
                objects = all(is_object(self._opened(each)) for each in schema[word])
                return {"type": "object", **schema} if objects else schema
        return {"type": "object", "properties": {}, **schema}

    def _flatten(self, schema: Schema) -> Schema:
        entries = [self._opened(each) for each in schema.get("allOf", ())]
        if entries:
            schema = without(schema, "allOf")
            for each in entries:
                schema = merge(schema, each, self._lose_merged)
        for word in ("anyOf", "oneOf"):
            if word not in schema:
                continue
            objects = [each for each in map(self._opened, schema[word]) if is_object(each)]
            if not objects:
                self._refuse("root-alternatives")
                continue
            base = without(schema, word)
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
        return merge(
            without(schema, "$ref"), repair(without(target, *_DEFINITIONS)), self._lose_merged
        )

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
                self._old_names[pointer([action.to, free])] = pointer([old, name])
            schema = {**without(schema, old), action.to: definitions}
        return schema

    # A node ------------------------------------------------------------------------------------

    def _node(self, source: Any, level: int, active: tuple[str, ...], home: str) -> Any:
        """One schema rewritten, inside the references ``active`` and the definition ``home``."""
        self._nodes += 1
        if isinstance(source, bool):
            if source:
                self._refuse("any")
            return {} if source and self.rules.any == "empty" else source
        if level > _LEVELS or self._nodes > _NODES:
            self._lose("what is nested too deeply or is too large becomes a plain object")
            plain: Schema = {"type": "object"}
            self._complete(plain, home)
            return plain
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
            if value is not GONE:
                out[keyword] = self._children(keyword, value, level, active, home)
        self._complete(out, home)
        if moved:
            out["description"] = described(out.get("description"), moved)
        return source if isinstance(source, dict) and same(out, source) else out

    def _judge(self, keyword: str, value: Any, node: Schema, moved: dict[str, Any]) -> Any:
        """The value if the keyword stays, else GONE with what is said about it."""
        action = self.rules.action(keyword)
        if action.kind in ("in", "not-in", "by-type", "kinds"):
            kept = held(action, value, node)
            if kept is not GONE or action.otherwise is None:
                return kept
            action = action.otherwise
        if action.kind in ("keep", "merge", "const-as-enum", "rename"):
            return value
        if action.kind == "to-description":
            moved[keyword] = value
            self._lose(f"{keyword} is moved into the description")
        elif action.kind == "drop":
            self._lose(f"{keyword} is left out")
        return GONE

    def _children(
        self, keyword: str, value: Any, level: int, active: tuple[str, ...], home: str
    ) -> Any:
        if keyword in MAPS and isinstance(value, dict):
            walked = {}
            for name, each in value.items():
                inner = pointer([keyword, name]) if keyword in _DEFINITIONS and not level else home
                walked[name] = self._node(each, level + 1, active, inner)
            return value if same(walked, value) else walked
        if isinstance(value, list) and keyword in LISTS:
            nodes = [self._node(each, level + 1, active, home) for each in value]
            return value if all(a is b for a, b in zip(nodes, value, strict=True)) else nodes
        if keyword in SINGLES and (isinstance(value, dict) or keyword == "items"):
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
            return without(node, "$ref"), active
        words = segments(ref)
        fixed = not words or (len(words) == 2 and words[0] in _DEFINITIONS)
        must = rules.refs == "inline" or not fixed
        if not must and not beside:
            return node, active
        cyclic = ref in active or self._nodes > _WRITTEN_OUT
        if not must and (rules.ref_siblings == "drop" or cyclic or self._refs.recursive(ref)):
            self._lose("what stands beside $ref is left out")
            return {key: value for key, value in node.items() if key.startswith("$")}, active
        if cyclic:
            self._lose("a recursive $ref is cut to a plain object")
            return merge(without(node, "$ref"), self._stub(ref, target), self._lose_merged), active
        base = without(node, "$ref")
        target = repair(without(target, *_DEFINITIONS))
        return merge(base, target, self._lose_merged), (*active, ref)

    def _stub(self, ref: str, target: Schema) -> Schema:
        name = segments(ref)[-1] if segments(ref) else "the whole"
        title = target.get("title")
        word = title if isinstance(title, str) else name
        return {"type": "object", "description": f"(again: {word})"}

    def _merged(self, node: Schema, active: tuple[str, ...]) -> tuple[Schema, tuple[str, ...]]:
        """A node with its allOf entries merged into it."""
        out = without(node, "allOf")
        for entry in node["allOf"]:
            each = repair(entry)
            if not isinstance(each, dict):
                continue
            ref = each.get("$ref")
            if isinstance(ref, str) and ("$ref" in out or len(node["allOf"]) > 1):
                target = self._refs.resolve(ref)
                if target is None or ref in active or self._nodes > _WRITTEN_OUT:
                    self._lose("a $ref in allOf that leads nowhere or back is left out")
                    each = without(each, "$ref")
                else:
                    active = (*active, ref)
                    each = merge(without(each, "$ref"), repair(without(target, *_DEFINITIONS)),
                                 self._lose_merged)  # fmt: skip
            out = merge(out, each, self._lose_merged)
        return out, active

    # Types and alternatives --------------------------------------------------------------------

    def _shape(self, node: Schema) -> Schema:
        rules = self.rules
        if "const" in node and rules.action("const").kind == "const-as-enum":
            node = const_as_enum(node)
        node = self._renamed(node)
        enum = rules.action("enum")
        if enum.kind == "kinds" and "null" not in enum.values:
            node = null_in_enum(node)
        if rules.null_type == "nullable":
            node = nullable(node, self._lose_merged)
        elif rules.null_type == "types":
            node = null_in_types(node)
        types = types_of(node)
        if rules.several_types == "any-of" and len(types) == 1 and types[0] is not node["type"]:
            node = {**node, "type": types[0]}
        if rules.several_types == "any-of" and len(types) > 1:
            rest = without(node, "type")
            # Alternatives that stand there already say more than the types do.
            node = (
                rest if "anyOf" in node else {**rest, "anyOf": [{"type": each} for each in types]}
            )
        if "anyOf" in node and self._alone(node) and self._nodes <= _WRITTEN_OUT:
            rest = without(node, "anyOf", *_DEFINITIONS)
            if rest:
                alternatives = [
                    alternative(each, rest, self._lose_merged) for each in node["anyOf"]
                ]
                node = {**without(node, *rest), "anyOf": alternatives}
        return node

    def _alone(self, node: Schema) -> bool:
        """Whether what stands beside anyOf has to move into the alternatives."""
        if self.rules.alternatives_alone:
            return True
        # A closed object beside closed alternatives would leave no value that satisfies both.
        return (
            self.rules.closed_objects
            and is_object(node)
            and any(is_object(self._opened(each)) for each in node["anyOf"])
        )

    def _renamed(self, node: Schema) -> Schema:
        for keyword in list(node):
            action = self.rules.action(keyword)
            if action.kind != "rename":
                continue
            if action.to in node:
                self._lose(f"{keyword} beside {action.to} is left out")
                node = without(node, keyword)
            else:
                node = {(action.to if key == keyword else key): each for key, each in node.items()}
        return node

    # What an object, an array, an enum needs ----------------------------------------------------

    def _complete(self, out: Schema, home: str) -> None:
        rules, types = self.rules, types_of(out)
        if "enum" in out and rules.enum_type == "drop":
            out.pop("type", None)
        if "enum" in out and rules.enum_type == "supply" and not types:
            out["type"] = kind(out["enum"][0])
        if rules.required == "known" and "required" in out:
            named = out.get("properties") or {}
            self._require(out, [name for name in out["required"] if name in named])
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
                self._lose("objects take only the named properties (additionalProperties)")
            self.meaning_changed = True
            out["additionalProperties"] = False
        if rules.recursion == "optional" and required:
            kept = [name for name in required if not self._leads_home(properties.get(name), home)]
            if len(kept) < len(required):
                self._lose("a property that leads back to its own schema is no longer required")
                self._require(out, kept)
        if rules.required == "all" and "properties" in out:
            self._require_all(out, set(required))

    def _require_all(self, out: Schema, required: set[str]) -> None:
        properties: Schema = out["properties"]
        if not required >= properties.keys():
            self._lose("properties that may be missing must be given and may be null")
            out["properties"] = {
                name: each if name in required else or_null(each)
                for name, each in properties.items()
            }
        if required != properties.keys() or "required" not in out:
            out["required"] = list(properties)

    def _require(self, out: Schema, names: list[str]) -> None:
        if not names:
            out.pop("required", None)
        elif names != out["required"]:
            out["required"] = names

    def _leads_home(self, schema: Any, home: str) -> bool:
        """Whether a required property cannot be given without the schema it stands in."""
        waiting = [schema]
        while waiting:
            self._looks += 1
            if self._looks > _LOOKS:
                return True
            each = waiting.pop()
            if isinstance(each, list):
                waiting.extend(each)
            elif isinstance(each, dict):
                ref = each.get("$ref")
                if isinstance(ref, str) and self._refs.leads(self._old(ref), self._old(home)):
                    return True
                needed, properties = each.get("required") or [], each.get("properties") or {}
                waiting.extend(properties[name] for name in needed if name in properties)
                waiting.extend(each[word] for word in _NEEDED if word in each)
        return False

    def _old(self, ref: str) -> str:
        return self._old_names.get(ref, ref)
