"""Paths that are known only when a mapping runs, as texts like ``a.b[0].c``, and what they make
known of an object."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from engine.language.reads import ELEMENT, Path, Tree
from engine.language.registry import FunctionError, kind_of

_PATH = re.compile(r"[^.\[\]]+(?:\.[^.\[\]]+|\[[0-9]{1,6}\])*")
_PIECE = re.compile(r"\[([0-9]+)\]|([^.\[\]]+)")


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[str | int, ...] | None:
    if _PATH.fullmatch(path) is None:
        return None
    return tuple(key or int(position) for position, key in _PIECE.findall(path))


def ways(name: str, paths: Any) -> Iterator[tuple[str | int, ...]]:
    """The keys and positions of a path, or of each in a list or a map. Raises FunctionError, as
    the function ``name``."""
    if isinstance(paths, str):
        paths = (paths,)
    for path in paths.values() if isinstance(paths, dict) else paths:
        found = _steps(path) if isinstance(path, str) else None
        if found is None:
            raise FunctionError(name, "must be paths, like a.b[0]", 2, kind_of(path))
        yield found


def opened(tree: Tree, looks: Iterable[tuple[Path, Any]]) -> Tree:
    """``tree`` (:mod:`engine.language.reads`) with what ``look()`` took: each of ``looks`` is where
    it looked, and its paths."""
    whole = tree
    for start, paths in looks:
        for way in ways("look", paths or ()):
            keys = [ELEMENT if isinstance(each, int) else each for each in way]
            whole = _taken(whole, (*start, *keys))
    return whole


def _taken(tree: Tree, path: Path) -> Tree:
    """A copy in which what is at ``path`` is known."""
    key, below = path[0], path[1:]
    if key in tree and not tree[key]:
        return tree
    return {**tree, key: _taken(tree.get(key) or {}, below) if below else None}
