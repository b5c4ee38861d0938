"""What one run of a section lost, as the code that serves tells it.

That code knows where it is in the mapping, not where its values came from. What it lost of the
document itself it tells whole; of anything else it tells the rule only, and a traced run has to say
the rest. The same for where a half takes the fields it makes: :func:`sources` finds the ones that
are copied from a path known beforehand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from engine.language.leftovers import unread
from engine.language.places import step
from engine.language.reads import Tree
from engine.language.results import scalar_text
from engine.language.source import Map, Node, Scalar, Seq

# The constant of a program that holds what :func:`sources` found.
SOURCES = "SOURCES"
Sources = Mapping[str, tuple[str, ...]]


class Said(NamedTuple):
    """A loss: the number of its rule, its path; the reason where the rule does not say all of it.

    ``within``: the object of the document, or of what rules made, that the path begins at; None for
    the document itself. Without a path only a traced run knows which one it is.
    """

    rule: int
    path: str | None
    reason: str | None
    within: Any = None


class Lost(list[Said]):
    """The losses of one run, in their order."""

    __slots__ = ()

    def append(self, number: int) -> None:  # type: ignore[override]
        """A rule lost something; which, only a traced run knows."""
        super().append(Said(number, None, None))

    def told(self, number: int, reason: str | None, paths: tuple[str, ...]) -> None:
        """A rule lost what is at these paths of the document, for a reason made at run time."""
        self.extend(Said(number, path, reason) for path in paths or ("",))

    def among(self, number: int, reason: str | None, *places: tuple[Any, str]) -> None:
        """A rule lost what is at these paths, each of them below an object."""
        self.extend(Said(number, path, reason, value) for value, path in places)

    def unread(
        self,
        number: int,
        value: Any,
        tree: Tree,
        which: Callable[[Any, Tree], list[tuple[str, ...]]] = unread,
        within: Any = None,
    ) -> None:
        """The document held what no rule reads, or the object ``within`` it did, which is
        ``value``."""
        self.extend(Said(number, joined(keys), None, within) for keys in which(value, tree))


def joined(keys: Iterable[str]) -> str:
    """The path of these keys, one below the other."""
    path = ""
    for key in keys:
        path = step(path, key)
    return path


def sources(node: Node, document: str, word: str) -> dict[str, tuple[str, ...]]:
    """Where a half copies its fields from: paths of what it makes to paths of its document, of
    which the first that holds something is taken.

    Only fields that are copied wherever they are there; objects in objects, no lists. No path at
    all: what a ``$rest`` keeps under ``native.<word>`` stood in the document as it stands there.
    """
    found: dict[str, tuple[str, ...]] = {}
    if isinstance(node, Map) and _words(node) <= _ABOVE and document not in _bound(node):
        if document in [scalar_text(item) for item in _items(node.get("$rest"))]:
            found[step("native", word)] = ()
        _fields(node, _aliases(node, document), "", found)
    return found


_KEYS = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)((?:\.[A-Za-z_][A-Za-z0-9_]*)+)")
_OF = re.compile(r"[a-z_]+\((.*)\)")
# What a map may hold beside its fields, which does nothing to them.
_ABOVE = frozenset(("$let", "$rest", "$ignore", "$spread"))


def _words(node: Map) -> set[str]:
    return {key for key in node.keys() if key.startswith("$")}


def _fields(
    node: Map, known: Mapping[str, str], place: str, found: dict[str, tuple[str, ...]]
) -> None:
    for key, child in node.entries:
        name = str(key.value)
        if name.startswith("$"):
            continue
        there = step(place, name)
        copied = _copied(child, known)
        if copied:
            found[there] = copied
        elif isinstance(child, Map) and not _words(child):
            _fields(child, known, there, found)


def _copied(node: Node, known: Mapping[str, str]) -> tuple[str, ...]:
    """The paths that a node is a copy of, each when those before it hold nothing."""
    if isinstance(node, Scalar):
        text = scalar_text(node) or ""
        formula = text.startswith("= ") or (node.plain and text.startswith("="))
        return _path(text[1:], known) if formula else ()
    if not isinstance(node, Map):
        return ()
    given = {str(key.value): value for key, value in node.entries}
    if not {"$value"} <= given.keys() <= {"$value", "$type", "$else", "$when"}:
        return ()
    first = _path((scalar_text(given["$value"]) or "").removeprefix("="), known)
    if not first or "$else" not in given:
        return first
    otherwise = _copied(given["$else"], known)
    return (*first, *otherwise) if otherwise else ()


def _path(text: str, known: Mapping[str, str]) -> tuple[str, ...]:
    """The path that an expression is or makes its value of, below the document or a name for
    something in it."""
    text = text.strip()
    if called := _OF.fullmatch(text):
        text = called[1].strip()
    match = _KEYS.fullmatch(text)
    above = known.get(match[1]) if match else None
    return () if match is None or above is None else ((above + match[2]).removeprefix("."),)


def _aliases(node: Map, document: str) -> dict[str, str]:
    """The names of the document and of what is bound to a path in it, each with that path."""
    known = {document: ""}
    names = node.get("$let")
    for name, value in names.entries if isinstance(names, Map) else ():
        text = scalar_text(value) or ""
        found = () if "(" in text else _path(text.removeprefix("="), known)
        # what is bound anew is no longer what it was
        known.pop(str(name.value), None)
        if found:
            known[str(name.value)] = f".{found[0]}"
    return known


def _bound(node: Map) -> set[str]:
    names = node.get("$let")
    return {str(key.value) for key, _ in names.entries} if isinstance(names, Map) else set()


def _items(node: Node | None) -> Iterable[Node | None]:
    return node.items if isinstance(node, Seq) else (node,)
