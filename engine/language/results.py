"""What compiling a node gives: the Python code of a result, and the words shared by all that
compile."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engine.language.source import Node, Pos, Scalar

UNREAD = "no rule reads this"


@dataclass(frozen=True, slots=True)
class Rule:
    """A place in a mapping (``file:line:column``) that can lose or change something. ``path`` is
    static, elements written ``[]``."""

    place: str
    kind: str
    reason: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Val:
    """The Python code of a result.

    ``absent``: it may be None, and then there is no result. ``null``: it may be the sentinel NULL,
    a null written on purpose. ``atom``: cheap, may stand twice.
    """

    text: str
    absent: bool = True
    null: bool = False
    atom: bool = False


NOTHING = Val("None", absent=True, atom=True)
WRITTEN_NULL = Val("NULL", absent=False, null=True, atom=True)


UNTRUE = "$untrue"
"""Under ``usual``: formulas that are false for most documents."""


@dataclass(slots=True)
class Library:
    """What a section may name: tables and fragments of its file and its folder, schema profiles,
    its format's word."""

    word: str
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    fragments: dict[str, Node] = field(default_factory=dict)
    profiles: Any = None
    # by the name of an object the keys that most have at most, and where that is said
    usual: dict[str, tuple[Pos, frozenset[str]]] = field(default_factory=dict)


def word(text: str) -> str:
    """A text as part of a Python name."""
    return "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in text)


def scalar_text(node: Node | None) -> str | None:
    """The text of a scalar node."""
    return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else None
