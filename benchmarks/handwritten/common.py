"""What all halves need: refusals, and what nobody modelled."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from engine.language.leftovers import rest, spread
from engine.language.reads import SELF
from engine.language.saying import wrong

Body = dict[str, Any]
Tree = dict[str, Any]
Losses = list[str]

CHAT, CLAUDE = "openai-chat", "claude"


class Refused(ValueError):
    """The document cannot be translated; the sentence says why."""


def keys(words: str) -> frozenset[str]:
    """The names in a text."""
    return frozenset(words.split())


def tree(known: Iterable[str], **inside: Tree | None) -> Tree:
    """The known keys of an object: whole ones, and those known only as far as their own keys."""
    return {**dict.fromkeys(known), **inside}


def looked_at(**inside: Tree | None) -> Tree:
    """The tree of a value that may also be something else than an object."""
    return {SELF: None, **inside}


def keep(node: Body, document: Body, known: Tree, word: str) -> None:
    """What a document holds beyond the known keys stays with the node, for its own format."""
    if found := rest(document, known):
        native = node.setdefault("native", {})
        own = native.setdefault(word, {})
        spread(own, found)


def more(value: Any, known: frozenset[str]) -> bool:
    """Whether an object holds anything beyond the known keys; nulls do not count."""
    if known.issuperset(value):
        return False
    return any(value[key] is not None for key in value if key not in known)


def expect(value: Any, kind: type, name: str) -> Any:
    """The value, which is of this type. Raises Refused."""
    if type(value) is not kind:
        raise Refused(wrong(value, name))
    return value


def listed(value: Any) -> list[Any]:
    """A list that may be absent. Raises Refused."""
    if value is None:
        return []
    if type(value) is not list:
        raise Refused(wrong(value, "list"))
    return value


def inside(value: Any, key: str) -> Any:
    """One key of what may be no object."""
    return value.get(key) if type(value) is dict else None
