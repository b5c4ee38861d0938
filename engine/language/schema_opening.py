"""References and allOf in one node of a JSON Schema, as the target takes them."""

from __future__ import annotations

from engine.language.schema_merge import merge
from engine.language.schema_refs import segments
from engine.language.schema_repair import repair
from engine.language.schema_rewriting import DEFINITIONS, LEVELS, WRITTEN_OUT, Rewriting, Schema
from engine.language.schema_shapes import without


def expand(
    rewriting: Rewriting, node: Schema, active: tuple[str, ...]
) -> tuple[Schema, tuple[str, ...]]:
    """The node as the target takes it, and the references inside which that stands: those in
    ``active``, and each that was written out."""
    for _ in range(LEVELS):
        if isinstance(node.get("$ref"), str):
            opened, active = _open(rewriting, node, active)
        elif "allOf" in node and rewriting.rules.action("allOf").kind == "merge":
            opened, active = _merged(rewriting, node, active)
        else:
            break
        if opened is node:
            break
        node = opened
    return node, active


def _open(
    rewriting: Rewriting, node: Schema, active: tuple[str, ...]
) -> tuple[Schema, tuple[str, ...]]:
    """A node with a reference: as it is, without what stands beside it, or written out."""
    rules = rewriting.rules
    if rules.refs == "keep" and rules.ref_siblings == "keep":
        return node, active
    ref = node["$ref"]
    beside = {key: value for key, value in node.items() if not key.startswith("$")}
    target = rewriting.refs.resolve(ref)
    if target is None:
        rewriting.lose("a $ref to what is not in the schema is left out")
        return without(node, "$ref"), active
    words = segments(ref)
    fixed = not words or (len(words) == 2 and words[0] in DEFINITIONS)
    must = rules.refs == "inline" or not fixed
    if not must and not beside:
        return node, active
    cyclic = ref in active or rewriting.nodes > WRITTEN_OUT
    if not must and (rules.ref_siblings == "drop" or cyclic or rewriting.refs.recursive(ref)):
        rewriting.lose("what stands beside $ref is left out")
        return {key: value for key, value in node.items() if key.startswith("$")}, active
    if cyclic:
        rewriting.lose("a recursive $ref is cut to a plain object")
        return merge(without(node, "$ref"), _stub(ref, target), rewriting.lose_merged), active
    base = without(node, "$ref")
    target = repair(without(target, *DEFINITIONS))
    return merge(base, target, rewriting.lose_merged), (*active, ref)


def _stub(ref: str, target: Schema) -> Schema:
    name = segments(ref)[-1] if segments(ref) else "the whole"
    title = target.get("title")
    word = title if isinstance(title, str) else name
    return {"type": "object", "description": f"(again: {word})"}


def _merged(
    rewriting: Rewriting, node: Schema, active: tuple[str, ...]
) -> tuple[Schema, tuple[str, ...]]:
    """A node with its allOf entries merged into it."""
    out = without(node, "allOf")
    for entry in node["allOf"]:
        each = repair(entry)
        if not isinstance(each, dict):
            continue
        ref = each.get("$ref")
        if isinstance(ref, str) and ("$ref" in out or len(node["allOf"]) > 1):
            target = rewriting.refs.resolve(ref)
            if target is None or ref in active or rewriting.nodes > WRITTEN_OUT:
                rewriting.lose("a $ref in allOf that leads nowhere or back is left out")
                each = without(each, "$ref")
            else:
                active = (*active, ref)
                each = merge(without(each, "$ref"), repair(without(target, *DEFINITIONS)),
                             rewriting.lose_merged)  # fmt: skip
        out = merge(out, each, rewriting.lose_merged)
    return out, active
