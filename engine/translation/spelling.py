"""One spelling of the keys of a format whose clients may write them in several ways.

A format's ``normalise`` names the case its mapping is written in, the keys below which everything
is somebody's own data, and the keys whose value is a list even when a lone element is sent. Paths
that the mapping reports are told in the client's spelling again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

# How deep a document is looked into; what lies deeper stays as it is.
_DEPTH = 64
_STEP = re.compile(r"\[(\d+)\]|\.?([^.\[]+)")


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a client's document is spelt. Nothing is changed in place; what needs no change is the
    same object."""

    camel: bool = False
    opaque: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()

    @classmethod
    def of(cls, data: dict[str, Any] | None) -> Spelling:
        """From the ``normalise`` of a ``format.yaml``."""
        facts = data or {}
        return cls(
            facts.get("keys") == "camel",
            frozenset(facts.get("opaque") or ()),
            frozenset(facts.get("lists") or ()),
        )

    def read(self, document: Any) -> Any:
        """The document in the spelling of the mapping."""
        return self._read(document, _DEPTH) if self.camel or self.lists else document

    def _read(self, value: Any, depth: int) -> Any:
        if depth == 0:
            return value
        if type(value) is list:
            read = [self._read(each, depth - 1) for each in value]
            return value if all(map(_same, read, value)) else read
        if type(value) is not dict:
            return value
        out: dict[str, Any] = {}
        changed = False
        for key, each in value.items():
            name = self._key(key)
            if name is not key:
                changed = True
                if name in value:
                    continue  # said in both spellings: the mapping's own counts
            inner = each if name in self.opaque else self._read(each, depth - 1)
            if name in self.lists and type(inner) is dict:
                inner = [inner]
            changed = changed or inner is not each
            out[name] = inner
        return out if changed else value

    def _key(self, key: str) -> str:
        return camel(key) if self.camel and "_" in key else key

    def told(self, path: str, document: Any) -> str:
        """A path into the read document as the path in the client's own."""
        if not (self.camel or self.lists):
            return path
        out, here, key = "", document, ""
        for step in _STEP.finditer(path):
            index, name = step.groups()
            if index is not None:
                if key in self.lists and type(here) is dict:
                    continue  # the lone element that was read as a list
                known = type(here) is list and int(index) < len(here)
                here = here[int(index)] if known else None
                out += f"[{index}]"
                continue
            if type(here) is dict and name not in here:
                key = next((each for each in here if self._key(each) == name), name)
            else:
                key = name
            here = here.get(key) if type(here) is dict else None
            out += f".{key}" if out else key
            key = name
        return out


@lru_cache(maxsize=1024)
def camel(key: str) -> str:
    """``snake_case`` as ``snakeCase``; a key that begins or ends with ``_`` stays."""
    first, *rest = key.split("_")
    if not first or not all(rest):
        return key
    return first + "".join(word[0].upper() + word[1:] for word in rest)


def _same(left: Any, right: Any) -> bool:
    return left is right
