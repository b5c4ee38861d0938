"""References inside one JSON Schema: what they point at, and which of them lead back."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

Schema = dict[str, Any]

# How many elements a search for cycles may look at. Beyond it every reference counts as recursive,
# so that a hostile schema costs bounded time.
_BUDGET = 200_000


class Refs:
    """The references of one schema. Only ``#`` and ``#/pointer`` are known; nothing is fetched."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._budget = _BUDGET
        self._edges: dict[str, frozenset[str]] = {}
        self._reach: dict[str, frozenset[str] | None] = {}

    def resolve(self, ref: str) -> Schema | None:
        """The schema a reference points at, or None."""
        if not ref.startswith("#"):
            return None
        found: Any = self._root
        for word in segments(ref):
            if isinstance(found, dict):
                found = found.get(word)
            elif isinstance(found, list) and word.isdecimal() and len(word) < 7:
                found = found[int(word)] if int(word) < len(found) else None
            else:
                return None
        return found if isinstance(found, dict) else None

    def leads(self, ref: str, goal: str) -> bool:
        """Whether following references from ``ref`` comes to ``goal``."""
        if ref == goal:
            return True
        reach = self._reachable(ref)
        return reach is None or goal in reach

    def recursive(self, ref: str) -> bool:
        """Whether following references from ``ref`` comes back to it."""
        reach = self._reachable(ref)
        return reach is None or ref in reach

    def _reachable(self, ref: str) -> frozenset[str] | None:
        """All references that ``ref`` leads to; None when that is too much to find out."""
        if ref not in self._reach:
            found: set[str] = set()
            waiting = [ref]
            while waiting and self._budget > 0:
                fresh = self._direct(waiting.pop()) - found
                self._budget -= 1 + len(fresh)
                found |= fresh
                waiting.extend(fresh)
            self._reach[ref] = None if waiting or self._budget <= 0 else frozenset(found)
        return self._reach[ref]

    def _direct(self, ref: str) -> frozenset[str]:
        """The references that stand inside what ``ref`` points at."""
        if ref not in self._edges:
            found: set[str] = set()
            waiting: list[Any] = [self.resolve(ref)]
            while waiting and self._budget > 0:
                self._budget -= 1
                each = waiting.pop()
                if isinstance(each, dict):
                    if isinstance(inner := each.get("$ref"), str):
                        found.add(inner)
                    waiting.extend(each.values())
                elif isinstance(each, list):
                    waiting.extend(each)
            self._edges[ref] = frozenset(found)
        return self._edges[ref]


def segments(ref: str) -> list[str]:
    """The keys of a local reference, ``#/$defs/a~1b`` as ``["$defs", "a/b"]``."""
    pointer = unquote(ref[1:]).strip("/")
    words = pointer.split("/") if pointer else []
    return [word.replace("~1", "/").replace("~0", "~") for word in words]


def pointer(words: list[str]) -> str:
    """The reference with these keys."""
    return "#/" + "/".join(word.replace("~", "~0").replace("/", "~1") for word in words)
