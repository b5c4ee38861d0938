"""What no rule reads of a document: found, kept under ``native``, and merged back.

A *tree* is what is known of an object (:mod:`engine.language.reads`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.language.reads import ELEMENT, SELF, Tree


def rest(value: Any, tree: Tree) -> dict[str, Any] | None:
    """What ``tree`` does not know of an object, objects inside it included; None when nothing is
    left."""
    found: dict[str, Any] = {}
    for key, each in value.items():
        if each is None:
            continue
        if key not in tree:
            found[key] = each
        elif (below := tree[key]) and not _looked_into(each, below):
            found[key] = each
        elif below and type(each) is dict and (inner := rest(each, below)):
            found[key] = inner
    return found or None


def _looked_into(value: Any, tree: Tree) -> bool:
    """Whether a value is of the kind that the known keys are read of, or is looked at itself."""
    if type(value) is dict:
        return SELF in tree or tree.keys() != {ELEMENT}
    if type(value) is list:
        return ELEMENT in tree or not value
    return SELF in tree


def unread(value: Any, tree: Tree) -> list[tuple[str, ...]]:
    """The paths in a value that ``tree`` does not know; nulls do not count."""
    if type(value) is not dict:
        return [] if value is None or SELF in tree else [()]
    found: list[tuple[str, ...]] = []
    for key, each in value.items():
        if each is None:
            continue
        if key not in tree:
            found.append((key,))
            continue
        below = tree[key]
        if not below:
            continue
        if not _looked_into(each, below):
            found.append((key,))
        elif type(each) is dict and below.keys() != {ELEMENT}:
            found.extend((key, *path) for path in unread(each, below))
        elif type(each) is list and (inner := below.get(ELEMENT)):
            for position, element in enumerate(each):
                found.extend((key, f"[{position}]", *path) for path in unread(element, inner))
    return found


def left(value: Any, tree: Tree) -> list[tuple[str, ...]]:
    """What ``tree`` does not know and ``rest`` does not take: what is in elements of lists."""
    if type(value) is not dict:
        return unread(value, tree)
    return [path for path in unread(value, tree) if any(key[:1] == "[" for key in path)]


def besides(taken: Tree) -> Callable[[Any, Tree], list[tuple[str, ...]]]:
    """As :func:`unread`, without what a ``rest`` by the tree ``taken`` takes."""

    def which(value: Any, tree: Tree) -> list[tuple[str, ...]]:
        found = unread(value, tree)
        if not found or type(value) is not dict:
            return found
        kept = rest(value, taken)
        return [path for path in found if not _holds(kept, path)]

    return which


def _holds(value: Any, path: tuple[str, ...]) -> bool:
    """Whether there is something at a path; lists are taken whole."""
    for key in path:
        if type(value) is list:
            return True
        if type(value) is not dict or key not in value:
            return False
        value = value[key]
    return True


def more(value: Any, tree: Tree) -> bool:
    """Whether :func:`unread` finds anything in what is at a known key."""
    if not _looked_into(value, tree):
        return True
    if type(value) is dict:
        return tree.keys() != {ELEMENT} and _any_unread(value, tree)
    inner = tree.get(ELEMENT) if type(value) is list else None
    return bool(inner) and any(_any_unread(each, inner or {}) for each in value)


def _any_unread(value: Any, tree: Tree) -> bool:
    """Whether :func:`unread` finds anything."""
    if type(value) is not dict:
        return value is not None and SELF not in tree
    for key, each in value.items():
        if each is None:
            continue
        if key not in tree:
            return True
        below = tree[key]
        if below and more(each, below):
            return True
    return False


def native(
    target: dict[str, Any],
    word: str,
    found: dict[str, Any],
    moved: Callable[[Any, Any], None] | None = None,
) -> None:
    """Put what ``$rest`` took under ``native.<word>``, beside what is there (objects in objects,
    too)."""
    # what is there may be a part of the document: only copies are written to
    there = target.get("native")
    target["native"] = whole = dict(there) if type(there) is dict else {}
    before = whole.get(word)
    whole[word] = own = dict(before) if type(before) is dict else {}
    if moved is not None:
        moved(there, whole)
        moved(before, own)
    spread(own, found)


def spread(target: dict[str, Any], native: Any) -> list[tuple[str, ...]]:
    """Merge ``native`` where ``target`` has no such key, objects inside objects, too; the paths
    that found no place."""
    lost: list[tuple[str, ...]] = []
    if type(native) is not dict:
        return lost
    for key, value in native.items():
        if key not in target:
            target[key] = value
            continue
        there = target[key]
        if type(there) is dict and type(value) is dict:
            # the object may be shared with the document it came from
            copy = dict(there)
            lost.extend((key, *below) for below in spread(copy, value))
            target[key] = copy
        elif there != value:
            lost.append((key,))
    return lost
