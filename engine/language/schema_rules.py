"""The rules of one profile, as data and from its YAML."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, field, fields
from typing import Any

from engine.language.source import Map, Node, Pos, Scalar, Seq, plain, suggest

Schema = dict[str, Any]

WORDS = ("keep", "drop", "forget", "to-description", "merge", "const-as-enum")
CONDITIONS = ("in", "not-in", "by-type", "kinds")

# The words an option may have; options that are not here take true or false, or any data.
CHOICES = {
    "root_alternatives": ("keep", "flatten"),
    "required": ("as-is", "all", "known"),
    "refs": ("keep", "inline"),
    "ref_siblings": ("keep", "drop", "inline"),
    "recursion": ("keep", "optional"),
    "null_type": ("keep", "nullable", "types"),
    "several_types": ("keep", "any-of"),
    "enum_type": ("keep", "drop", "supply"),
    "any": ("keep", "empty"),
}
REFUSALS = ("any", "bare-array", "recursion", "root-alternatives", "root-type")
FLAGS = ("root_object", "closed_objects", "alternatives_alone")
SUPPLIES = ("array_items", "object_properties")


@dataclass(frozen=True, slots=True)
class Action:
    """What happens to a keyword: a word of the file, or a condition and what ``otherwise`` is."""

    kind: str
    to: str = ""
    values: Any = None
    text_for: tuple[str, ...] = ()
    otherwise: Action | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """The options of one profile; mappings/schema-profiles.yaml says at its head what they mean."""

    keywords: dict[str, Action] = field(default_factory=dict)
    patterns: tuple[tuple[re.Pattern[str], Action], ...] = ()
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
            matching = (each for pattern, each in self.patterns if pattern.match(keyword))
            found = next(matching, self.other)
        return found


def rules_of(node: Node, problems: list[str]) -> Rules:
    """The rules of a profile's node; what is wrong with it is added to ``problems``."""
    options: dict[str, Any] = {}
    exact: dict[str, Action] = {}
    patterns: list[tuple[re.Pattern[str], Action]] = []
    for key, value in _entries(node, problems):
        name = str(key.value).replace("-", "_")
        if name == "keywords":
            for words, action_node in _entries(value, problems):
                action = _action(action_node, problems)
                for word in str(words.value).split("|"):
                    keyword = word.strip()
                    if "*" in keyword:
                        patterns.append((re.compile(fnmatch.translate(keyword)), action))
                    else:
                        exact[keyword] = action
        elif name == "other":
            options["other"] = _action(value, problems)
        else:
            _option(key, name, value, options, problems)
    return Rules(keywords=exact, patterns=tuple(patterns), **options)


def _option(
    key: Scalar, name: str, node: Node, options: dict[str, Any], problems: list[str]
) -> None:
    value = plain(node)
    known = {each.name for each in fields(Rules)} - {"patterns"}
    if name not in known:
        words = sorted(each.replace("_", "-") for each in known)
        problems.append(
            key.pos.problem(f"unknown option {key.value}{suggest(str(key.value), words)}")
        )
    elif name == "refuse":
        for word in value if isinstance(value, list) else [value]:
            _one_of(node.pos, word, REFUSALS, problems)
        options[name] = frozenset(value) if isinstance(value, list) else frozenset()
    elif name in CHOICES:
        _one_of(node.pos, value, CHOICES[name], problems)
        options[name] = value
    elif name in FLAGS and not isinstance(value, bool):
        problems.append(node.pos.problem(f"{key.value} is true or false"))
    elif name in SUPPLIES and not isinstance(value, dict):
        problems.append(node.pos.problem(f"{key.value} is a map"))
    else:
        options[name] = value


def _action(node: Node, problems: list[str]) -> Action:
    if isinstance(node, Scalar):
        _one_of(node.pos, node.value, WORDS, problems)
        return Action(str(node.value))
    given = plain(node) if isinstance(node, Map) else {}
    if set(given) == {"rename"} and isinstance(given["rename"], str):
        return Action("rename", to=given["rename"])
    conditions = [word for word in CONDITIONS if word in given]
    if (
        len(conditions) != 1
        or "else" not in given
        or set(given) - {"else", "text-for", *conditions}
    ):
        problems.append(
            node.pos.problem(
                "an action is a word, {rename: name}, or in, not-in, by-type or kinds with else"
            )
        )
        return Action("keep")
    condition = conditions[0]
    wanted = dict if condition == "by-type" else list
    if not isinstance(given[condition], wanted):
        problems.append(
            node.pos.problem(f"{condition} takes a {'map' if wanted is dict else 'list'}")
        )
        return Action("keep")
    otherwise = node.get("else") if isinstance(node, Map) else None
    return Action(
        condition,
        values=given[condition],
        text_for=tuple(given.get("text-for") or ()),
        otherwise=_action(otherwise, problems) if otherwise is not None else None,
    )


def _one_of(pos: Pos, word: Any, words: tuple[str, ...], problems: list[str]) -> None:
    if word not in words:
        problems.append(pos.problem(f"{word} is not known here{suggest(str(word), words)}"))


def _entries(node: Node, problems: list[str]) -> tuple[tuple[Scalar, Node], ...]:
    if isinstance(node, Map):
        return node.entries
    kind = "a list" if isinstance(node, Seq) else "a word"
    problems.append(node.pos.problem(f"{kind} stands where a map is needed"))
    return ()
