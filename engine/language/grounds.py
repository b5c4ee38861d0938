"""What is taken for granted of documents while generated code is folded to its quick form."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Grounds:
    """``names``: the globals of the program. ``usual``: by the name of an object the keys that it
    has at most. ``objects``: what is known to hold an object, as root and key. ``lists``: names of
    lists of whose elements it is asked elsewhere whether they are objects: what takes them for
    objects fails where they are not, and that ends the quick form."""

    names: Mapping[str, Any]
    usual: Mapping[str, frozenset[str]]
    objects: frozenset[tuple[str, str]] = frozenset()
    lists: frozenset[str] = frozenset()

    def lacks(self, value: ast.expr, key: ast.expr) -> bool:
        """Whether this is an object that has no such key."""
        keys = self.usual.get(value.id) if isinstance(value, ast.Name) else None
        return keys is not None and isinstance(key, ast.Constant) and key.value not in keys

    def holds_object(self, node: ast.expr) -> bool:
        """Whether this is a place of which it is known that it holds an object."""
        match node:
            case ast.Subscript(ast.Name(root), ast.Constant(str(key))):
                return (root, key) in self.objects
        return False

    def is_element(self, node: ast.expr) -> bool:
        """Whether this is an element of a list of objects, or nothing."""
        match node:
            case ast.IfExp(_, ast.Subscript(ast.Name(name)), ast.Constant(None)):
                return name in self.lists
        return False
