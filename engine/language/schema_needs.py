"""What an object, an array, an enum of a JSON Schema needs besides its keywords."""

from __future__ import annotations

from typing import Any

from engine.language.schema_merge import types_of
from engine.language.schema_rewriting import Rewriting, Schema
from engine.language.schema_shapes import kind, or_null

_LOOKS = 100_000  # steps of looking for properties that lead back

_NEEDED = ("items", "anyOf", "oneOf", "prefixItems")
_SAYING_A_TYPE = ("type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const")


class Needs:
    """Completes the nodes of one schema."""

    def __init__(self, rewriting: Rewriting) -> None:
        self._rewriting = rewriting
        self._looks = 0

    def complete(self, out: Schema, home: str) -> None:
        """Complete a rewritten node, in place; it stands in the definition ``home``."""
        rules, types = self._rewriting.rules, types_of(out)
        if "enum" in out and rules.enum_type == "drop":
            out.pop("type", None)
        if "enum" in out and rules.enum_type == "supply" and not types:
            out["type"] = kind(out["enum"][0])
        if rules.required == "known" and "required" in out:
            named = out.get("properties") or {}
            self._require(out, [name for name in out["required"] if name in named])
        if "object" in types or "properties" in out:
            self._object(out, home)
        if "array" in types and "items" not in out and "prefixItems" not in out:
            if rules.array_items is not None:
                out["items"] = rules.array_items
            self._rewriting.refuse("bare-array")
        if not any(word in out for word in _SAYING_A_TYPE):
            self._rewriting.refuse("any")

    def _object(self, out: Schema, home: str) -> None:
        rules = self._rewriting.rules
        if rules.object_properties is not None and "properties" not in out:
            out["properties"] = rules.object_properties
        properties = out.get("properties") or {}
        required = out.get("required") or []
        if rules.closed_objects and out.get("additionalProperties") is not False:
            if "additionalProperties" in out:
                self._rewriting.lose(
                    "objects take only the named properties (additionalProperties)"
                )
            self._rewriting.meaning_changed = True
            out["additionalProperties"] = False
        if rules.recursion == "optional" and required:
            kept = [name for name in required if not self._leads_home(properties.get(name), home)]
            if len(kept) < len(required):
                self._rewriting.lose(
                    "a property that leads back to its own schema is no longer required"
                )
                self._require(out, kept)
        if rules.required == "all" and "properties" in out:
            self._require_all(out, set(required))

    def _require_all(self, out: Schema, required: set[str]) -> None:
        properties: Schema = out["properties"]
        if not required >= properties.keys():
            self._rewriting.lose("properties that may be missing must be given and may be null")
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
                if isinstance(ref, str) and self._rewriting.refs.leads(
                    self._old(ref), self._old(home)
                ):
                    return True
                needed, properties = each.get("required") or [], each.get("properties") or {}
                waiting.extend(properties[name] for name in needed if name in properties)
                waiting.extend(each[word] for word in _NEEDED if word in each)
        return False

    def _old(self, ref: str) -> str:
        return self._rewriting.old_names.get(ref, ref)
