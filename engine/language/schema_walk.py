"""The walk over one JSON Schema by the rules of one profile.

A node goes through four steps: repair; references and allOf (``schema_opening``); types and
alternatives (``_shape``); then each keyword by its action, and what objects, arrays and enums need
besides (``schema_needs``). A node that comes out as it went in is the same object: an unchanged
schema is the caller's own.

Names under ``properties``, ``$defs`` and the like are names, never keywords. Depth and the number
of nodes are bounded; what is beyond becomes a plain object.
"""

from __future__ import annotations

from typing import Any

from engine.language.schema_merge import types_of
from engine.language.schema_needs import Needs
from engine.language.schema_opening import expand
from engine.language.schema_refs import Refs, pointer
from engine.language.schema_repair import LISTS, MAPS, SINGLES, repair
from engine.language.schema_rewriting import DEFINITIONS, LEVELS, WRITTEN_OUT, Rewriting, Schema
from engine.language.schema_root import as_object, with_definitions
from engine.language.schema_rules import Rules
from engine.language.schema_shapes import (
    GONE,
    alternative,
    const_as_enum,
    described,
    held,
    is_object,
    null_in_enum,
    null_in_types,
    nullable,
    same,
    too_large,
    without,
)

_NODES = 40_000  # nodes at all


class Walk:
    """One rewriting of one schema. ``losses`` and ``meaning_changed`` hold after ``run``."""

    def __init__(self, rules: Rules, schema: Any) -> None:
        self._rules = rules
        self._schema = schema
        self._rewriting = Rewriting(rules)
        self._needs = Needs(self._rewriting)

    @property
    def losses(self) -> list[str]:
        """What was lost, each once."""
        return list(self._rewriting.losses)

    @property
    def meaning_changed(self) -> bool:
        """Whether the result takes other values than the schema."""
        return self._rewriting.meaning_changed

    def run(self) -> Any:
        """The rewritten schema, or the one given when nothing changes."""
        schema = self._schema
        if schema is True or schema is None:
            schema = {}
        large = isinstance(schema, dict) and too_large(schema)
        if large and not self._rules.keywords:
            return schema
        if large or not isinstance(schema, dict):
            self._rewriting.lose(
                "a schema that is none or is too large is replaced by a plain object"
            )
            schema = {"type": "object", "properties": {}}
        schema = repair(schema)
        self._rewriting.refs = Refs(schema)
        if self._rules.root_object:
            schema = as_object(self._rewriting, schema)
            if types_of(schema) != ["object"]:
                self._rewriting.refuse("root-type")
        schema = with_definitions(self._rewriting, schema)
        return self._node(schema, 0, (), "#")

    def _node(self, source: Any, level: int, active: tuple[str, ...], home: str) -> Any:
        """One schema rewritten, inside the references ``active`` and the definition ``home``."""
        self._rewriting.nodes += 1
        if isinstance(source, bool):
            if source:
                self._rewriting.refuse("any")
            return {} if source and self._rules.any == "empty" else source
        if level > LEVELS or self._rewriting.nodes > _NODES:
            self._rewriting.lose("what is nested too deeply or is too large becomes a plain object")
            plain: Schema = {"type": "object"}
            self._needs.complete(plain, home)
            return plain
        node = repair(source)
        for _ in range(LEVELS):
            before = node
            node, active = expand(self._rewriting, node, active)
            node = self._shape(node)
            if node is before:
                break
        out: Schema = {}
        moved: dict[str, Any] = {}
        for keyword, value in node.items():
            value = self._judge(keyword, value, node, moved)
            if value is not GONE:
                out[keyword] = self._children(keyword, value, level, active, home)
        self._needs.complete(out, home)
        if moved:
            out["description"] = described(out.get("description"), moved)
        return source if isinstance(source, dict) and same(out, source) else out

    def _judge(self, keyword: str, value: Any, node: Schema, moved: dict[str, Any]) -> Any:
        """The value if the keyword stays, else GONE with what is said about it."""
        action = self._rules.action(keyword)
        if action.kind in ("in", "not-in", "by-type", "kinds"):
            kept = held(action, value, node)
            if kept is not GONE or action.otherwise is None:
                return kept
            action = action.otherwise
        if action.kind in ("keep", "merge", "const-as-enum", "rename"):
            return value
        if action.kind == "to-description":
            moved[keyword] = value
            self._rewriting.lose(f"{keyword} is moved into the description")
        elif action.kind == "drop":
            self._rewriting.lose(f"{keyword} is left out")
        return GONE

    def _children(
        self, keyword: str, value: Any, level: int, active: tuple[str, ...], home: str
    ) -> Any:
        if keyword in MAPS and isinstance(value, dict):
            walked = {}
            for name, each in value.items():
                inner = pointer([keyword, name]) if keyword in DEFINITIONS and not level else home
                walked[name] = self._node(each, level + 1, active, inner)
            return value if same(walked, value) else walked
        if isinstance(value, list) and keyword in LISTS:
            nodes = [self._node(each, level + 1, active, home) for each in value]
            return value if all(a is b for a, b in zip(nodes, value, strict=True)) else nodes
        if keyword in SINGLES and (isinstance(value, dict) or keyword == "items"):
            return self._node(value, level + 1, active, home)
        if keyword == "$ref" and isinstance(value, str):
            if "recursion" in self._rules.refuse and self._rewriting.refs.recursive(value):
                self._rewriting.refuse("recursion")
            return self._rewriting.names.get(value, value)
        return value

    def _shape(self, node: Schema) -> Schema:
        """Types and alternatives as the target takes them."""
        rules = self._rules
        if "const" in node and rules.action("const").kind == "const-as-enum":
            node = const_as_enum(node)
        node = self._renamed(node)
        enum = rules.action("enum")
        if enum.kind == "kinds" and "null" not in enum.values:
            node = null_in_enum(node)
        if rules.null_type == "nullable":
            node = nullable(node, self._rewriting.lose_merged)
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
        if "anyOf" in node and self._alone(node) and self._rewriting.nodes <= WRITTEN_OUT:
            rest = without(node, "anyOf", *DEFINITIONS)
            if rest:
                alternatives = [
                    alternative(each, rest, self._rewriting.lose_merged) for each in node["anyOf"]
                ]
                node = {**without(node, *rest), "anyOf": alternatives}
        return node

    def _alone(self, node: Schema) -> bool:
        """Whether what stands beside anyOf has to move into the alternatives."""
        if self._rules.alternatives_alone:
            return True
        # A closed object beside closed alternatives would leave no value that satisfies both.
        return (
            self._rules.closed_objects
            and is_object(node)
            and any(is_object(self._rewriting.opened(each)) for each in node["anyOf"])
        )

    def _renamed(self, node: Schema) -> Schema:
        for keyword in list(node):
            action = self._rules.action(keyword)
            if action.kind != "rename":
                continue
            if action.to in node:
                self._rewriting.lose(f"{keyword} beside {action.to} is left out")
                node = without(node, keyword)
            else:
                node = {(action.to if key == keyword else key): each for key, each in node.items()}
        return node
