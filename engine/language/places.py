"""Where values stand in a document: paths further in and further out, and those of its containers.

Containers, its objects and lists, are told apart by identity.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from engine.language.reads import ELEMENT

_PLAIN = re.compile(r"^[A-Za-z_][A-Za-z0-9_-]*$")


def step(path: str, key: str | int) -> str:
    """A path one key or index further: ``a.b``, ``a[0]``, ``a["odd key"]``."""
    if type(key) is int:
        return f"{path}[{key}]"
    further = _further(str(key))
    return path + further if path or further[0] != "." else further[1:]


@lru_cache(maxsize=4096)
def _further(key: str) -> str:
    """What a key adds to a path."""
    if key == ELEMENT or (key.startswith("[") and key.endswith("]")):
        return key
    return f".{key}" if _PLAIN.match(key) else f'["{key}"]'


def containers(path: str) -> Iterator[str]:
    """The paths of what a value stands in, from the inside out."""
    while path := path[: max(path.rfind("."), path.rfind("["), 0)]:
        yield path


def places(document: Any) -> dict[int, str]:
    """The paths of all objects and lists of a document, by their identity."""
    paths: dict[int, str] = {}
    stack: list[tuple[str, Any]] = [("", document)]
    while stack:
        path, value = stack.pop()
        if type(value) is dict:
            paths[id(value)] = path
            for key, each in value.items():
                if type(each) is dict or type(each) is list:
                    further = _further(key)
                    if not path:
                        further = further.removeprefix(".")
                    stack.append((path + further, each))
        elif type(value) is list:
            paths[id(value)] = path
            for at, each in enumerate(value):
                if type(each) is dict or type(each) is list:
                    stack.append((f"{path}[{at}]", each))
    return paths


def some_places(document: Any, wanted: Iterable[Any]) -> dict[int, str]:
    """The same of some of them only, as far as they are in the document."""
    missing = {id(value) for value in wanted}
    found: dict[int, str] = {}
    # each object or list: what it stands in, by its place here, and its key there
    stands: list[tuple[Any, int, str | int]] = [(document, -1, "")]
    for at, (value, _, _) in enumerate(stands):
        if id(value) in missing:
            found[id(value)] = _way(stands, at)
            missing.discard(id(value))
            if not missing:
                break
        keys: Iterable[tuple[str | int, Any]] = ()
        if type(value) is dict:
            keys = value.items()
        elif type(value) is list:
            keys = enumerate(value)
        for key, each in keys:
            if type(each) is dict or type(each) is list:
                stands.append((each, at, key))
    return found


def _way(stands: list[tuple[Any, int, str | int]], at: int) -> str:
    keys: list[str | int] = []
    while at:
        _, at, key = stands[at]
        keys.append(key)
    path = ""
    for key in reversed(keys):
        path = step(path, key)
    return path
