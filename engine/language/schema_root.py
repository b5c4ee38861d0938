"""The root of a JSON Schema: an object where the target asks for one, and where definitions lie."""

from __future__ import annotations

from engine.language.schema_merge import merge, types_of, widen
from engine.language.schema_refs import pointer
from engine.language.schema_repair import repair
from engine.language.schema_rewriting import DEFINITIONS, Rewriting, Schema
from engine.language.schema_shapes import is_object, without


def as_object(rewriting: Rewriting, schema: Schema) -> Schema:
    """The root as an object, with references followed and, where the target takes none there,
    without alternatives; as it is where it cannot be an object."""
    seen: set[str] = set()
    while isinstance(ref := schema.get("$ref"), str) and ref not in seen:
        target = rewriting.refs.resolve(ref)
        if target is None:
            break
        seen.add(ref)
        schema = merge(
            without(schema, "$ref"), repair(without(target, *DEFINITIONS)), rewriting.lose_merged
        )
    if "$ref" in schema:
        rewriting.lose("a $ref at the root that leads nowhere is left out")
        schema = without(schema, "$ref")
    if rewriting.rules.root_alternatives == "flatten":
        schema = _flatten(rewriting, schema)
    types = types_of(schema)
    if "object" in types and len(types) > 1:
        return {**schema, "type": "object"}
    if types or any(word in schema for word in ("enum", "const", "items")):
        return schema
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            objects = all(is_object(rewriting.opened(each)) for each in schema[word])
            return {"type": "object", **schema} if objects else schema
    return {"type": "object", "properties": {}, **schema}


def with_definitions(rewriting: Rewriting, schema: Schema) -> Schema:
    """Definitions that are renamed move into the map of the new name; references follow."""
    for old in DEFINITIONS:
        action = rewriting.rules.action(old)
        if action.kind != "rename" or old not in schema:
            continue
        definitions = dict(schema.get(action.to) or {})
        for name, each in schema[old].items():
            free = name
            while free in definitions:
                free += "_"
            definitions[free] = each
            rewriting.names[pointer([old, name])] = pointer([action.to, free])
            rewriting.old_names[pointer([action.to, free])] = pointer([old, name])
        schema = {**without(schema, old), action.to: definitions}
    return schema


def _flatten(rewriting: Rewriting, schema: Schema) -> Schema:
    """The root without allOf, anyOf and oneOf."""
    entries = [rewriting.opened(each) for each in schema.get("allOf", ())]
    if entries:
        schema = without(schema, "allOf")
        for each in entries:
            schema = merge(schema, each, rewriting.lose_merged)
    for word in ("anyOf", "oneOf"):
        if word not in schema:
            continue
        objects = [each for each in map(rewriting.opened, schema[word]) if is_object(each)]
        if not objects:
            rewriting.refuse("root-alternatives")
            continue
        base = without(schema, word)
        schema = widen(base, [merge(base, each, lambda _: None) for each in objects],
                       rewriting.lose_merged)  # fmt: skip
        rewriting.lose(f"{word} at the root is widened to one object with the properties of all")
    return schema
