"""One rewriting of one JSON Schema: its rules, what it leads to, and what was lost so far."""

from __future__ import annotations

from typing import Any

from engine.language.schema_merge import merge
from engine.language.schema_refs import Refs
from engine.language.schema_repair import repair
from engine.language.schema_rules import Rules
from engine.language.schema_shapes import without

Schema = dict[str, Any]

DEFINITIONS = ("$defs", "definitions")
LEVELS = 64  # schemas inside schemas
WRITTEN_OUT = 10_000  # nodes up to which references are written out and alternatives multiplied


class Rewriting:
    """What all steps share. ``nodes``: how many were walked; ``names``: references to definitions
    that move under another name, ``old_names`` the way back."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.losses: dict[str, None] = {}
        self.meaning_changed = False
        self.nodes = 0
        self.refs = Refs({})
        self.names: dict[str, str] = {}
        self.old_names: dict[str, str] = {}

    def lose(self, sentence: str) -> None:
        """Something is lost, told once."""
        self.losses.setdefault(sentence)
        self.meaning_changed = True

    def lose_merged(self, keyword: str) -> None:
        """Two schemas that were merged say different things under a keyword."""
        self.lose(f"{keyword} says two things that cannot be merged; the first stays")

    def refuse(self, construct: str) -> None:
        """A construct that the target may refuse is in the result."""
        if construct in self.rules.refuse:
            self.meaning_changed = True

    def opened(self, schema: Any) -> Schema:
        """An alternative with the reference it consists of followed."""
        schema = repair(schema)
        if not isinstance(schema, dict):
            return {}
        ref = schema.get("$ref")
        target = self.refs.resolve(ref) if isinstance(ref, str) else None
        if target is None or "$ref" in target:
            return schema
        return merge(
            without(schema, "$ref"), repair(without(target, *DEFINITIONS)), self.lose_merged
        )
