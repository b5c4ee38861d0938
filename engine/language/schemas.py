"""What each target takes of JSON Schema: the profiles of ``mappings/schema-profiles.yaml``.

``Profiles.load(path)[name].rewrite(schema)`` gives the schema as the target takes it and what was taken
out of it. The rules are data; the walker that follows them is in ``engine.language.schema_walk``.
"""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from engine.errors import MappingError
from engine.language.schema_walk import Action, Rules, Walk
from engine.language.source import Map, Node, Pos, Scalar, Seq, plain, read, suggest

Schema = dict[str, Any]

_WORDS = ("keep", "drop", "forget", "to-description", "merge", "const-as-enum")
_CONDITIONS = ("in", "not-in", "by-type", "kinds")

# The words an option may have; options that are not here take true or false, or any data.
_CHOICES = {
    "root_alternatives": ("keep", "flatten"),
    "required": ("as-is", "all", "known"),
    "refs": ("keep", "inline"),
    "ref_siblings": ("keep", "drop", "inline"),
    "recursion": ("keep", "optional"),
    "null_type": ("keep", "nullable"),
    "several_types": ("keep", "any-of"),
    "enum_type": ("keep", "drop", "supply"),
    "any": ("keep", "empty"),
}
_REFUSALS = ("any", "bare-array", "recursion", "root-alternatives")
_FLAGS = ("root_object", "closed_objects", "alternatives_alone")
_SUPPLIES = ("array_items", "object_properties")

# Clients send the same tools with every request: results are kept by the text of the schema.
_REMEMBERED = 256
_REMEMBERED_BYTES = 32_768


class Outcome(NamedTuple):
    """A rewritten schema. ``schema`` is None when the caller's own object stands."""

    schema: Schema | None
    losses: tuple[str, ...]
    accepted: bool


@dataclass(frozen=True, slots=True)
class Profile:
    """One target's rules. ``rewrite`` and ``accepts`` are pure; the caller's schema is never changed."""

    name: str
    rules: Rules
    _known: dict[bytes, Outcome]

    def rewrite(self, schema: Any) -> tuple[Any, list[str]]:
        """The schema as the target takes it, and a sentence for each thing taken out.

        The same object comes back when nothing changes. The result may share parts with the argument:
        treat both as frozen.
        """
        outcome = self._outcome(schema)
        return schema if outcome.schema is None else outcome.schema, list(outcome.losses)

    def accepts(self, schema: Any) -> bool:
        """Whether rewriting takes nothing out, changes no meaning, and leaves nothing that is refused."""
        return self._outcome(schema).accepted

    def _outcome(self, schema: Any) -> Outcome:
        key = _fingerprint(schema)
        if key is not None and (known := self._known.get(key)) is not None:
            return known
        walk = Walk(self.rules, schema)
        result = walk.run()
        outcome = Outcome(
            None if result is schema else result, tuple(walk.losses), not walk.meaning_changed
        )
        if key is not None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = outcome
        return outcome


class Profiles(Mapping[str, Profile]):
    """All profiles of a file, by name."""

    def __init__(self, profiles: dict[str, Profile]) -> None:
        self._profiles = profiles

    @classmethod
    def load(cls, source: Path | Node) -> Profiles:
        """The profiles of a file or of its tree. Raises MappingError with every problem."""
        root = read(source) if isinstance(source, Path) else source
        listed = root.get("profiles") if isinstance(root, Map) else None
        if not isinstance(listed, Map):
            root.pos.error("no profiles here; write `profiles:` with a map of them")
        problems: list[str] = []
        loaded = {
            str(name.value): Profile(str(name.value), _rules(node, problems), {})
            for name, node in listed.entries
        }
        if problems:
            raise MappingError(problems)
        return cls(loaded)

    def __getitem__(self, name: str) -> Profile:
        return self._profiles[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._profiles)

    def __len__(self) -> int:
        return len(self._profiles)


def _fingerprint(schema: Any) -> bytes | None:
    """A key that equals only for schemas equal to the order of their keys; None for odd or big ones."""
    try:
        text = orjson.dumps(schema)
    except TypeError:
        return None
    return hashlib.blake2b(text, digest_size=20).digest() if len(text) <= _REMEMBERED_BYTES else None


def _rules(node: Node, problems: list[str]) -> Rules:
    options: dict[str, Any] = {}
    exact: dict[str, Action] = {}
    patterns: list[tuple[str, Action]] = []
    for key, value in _entries(node, problems):
        name = str(key.value).replace("-", "_")
        if name == "keywords":
            for words, action_node in _entries(value, problems):
                action = _action(action_node, problems)
                for word in str(words.value).split("|"):
                    keyword = word.strip()
                    if "*" in keyword:
                        patterns.append((fnmatch.translate(keyword), action))
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
        problems.append(key.pos.problem(f"unknown option {key.value}{suggest(str(key.value), words)}"))
    elif name == "refuse":
        for word in value if isinstance(value, list) else [value]:
            _one_of(node.pos, word, _REFUSALS, problems)
        options[name] = frozenset(value) if isinstance(value, list) else frozenset()
    elif name in _CHOICES:
        _one_of(node.pos, value, _CHOICES[name], problems)
        options[name] = value
    elif name in _FLAGS and not isinstance(value, bool):
        problems.append(node.pos.problem(f"{key.value} is true or false"))
    elif name in _SUPPLIES and not isinstance(value, dict):
        problems.append(node.pos.problem(f"{key.value} is a map"))
    else:
        options[name] = value


def _action(node: Node, problems: list[str]) -> Action:
    if isinstance(node, Scalar):
        _one_of(node.pos, node.value, _WORDS, problems)
        return Action(str(node.value))
    given = plain(node) if isinstance(node, Map) else {}
    if set(given) == {"rename"} and isinstance(given["rename"], str):
        return Action("rename", to=given["rename"])
    conditions = [word for word in _CONDITIONS if word in given]
    if len(conditions) != 1 or "else" not in given or set(given) - {"else", "text-for", *conditions}:
        problems.append(
            node.pos.problem(
                "an action is a word, {rename: name}, or one of in, not-in, by-type, kinds with else"
            )
        )
        return Action("keep")
    condition = conditions[0]
    wanted = dict if condition == "by-type" else list
    if not isinstance(given[condition], wanted):
        problems.append(node.pos.problem(f"{condition} takes a {'map' if wanted is dict else 'list'}"))
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
