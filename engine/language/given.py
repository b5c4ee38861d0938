"""What the functions of a program are given by those that call them."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from engine.language.facts import Env, Fact, either, fact_of

# What is known of an argument of a call: facts, and the keys that an object has at most.
Given = tuple[Fact, frozenset[str] | None]
# By the name of a function what its calls give it.
Calls = dict[str, list[list[Given]]]


def given_by(
    arguments: list[ast.expr], env: Env, usual: Mapping[str, frozenset[str]]
) -> list[Given]:
    """What a call gives. ``usual``: by the name of an object the keys that it has at most."""
    given: list[Given] = []
    for each in arguments:
        known = fact_of(each, env)
        tested = isinstance(each, ast.Name) and each.id[:2] in ("x_", "a_")
        keys = usual.get(each.id) if isinstance(each, ast.Name) and tested else None
        # names of the caller mean nothing there
        given.append((Fact(None, known.null, known.kind), keys))
    return given


def joined_calls(calls: list[list[Given]]) -> list[Given]:
    """What is known of the arguments in all of these calls of one function: of keys, where one of
    them tells."""
    if not calls:
        return []
    found = calls[0]
    for more in calls[1:]:
        found = [
            (either(one, other), keys or keys_too if not keys or keys == keys_too else None)
            for (one, keys), (other, keys_too) in zip(found, more, strict=True)
        ]
    return found
