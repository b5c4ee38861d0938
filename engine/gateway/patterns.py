"""Globs over model names: ``*`` any run, ``?`` one character, the rest literal; anchored."""

from __future__ import annotations

import re
from functools import lru_cache

_MAX_PATTERNS = 4096


@lru_cache(maxsize=_MAX_PATTERNS)
def _compiled(pattern: str) -> re.Pattern[str]:
    first, *rest = ("".join(map(_one, piece)) for piece in re.split(r"\*+", pattern))
    if not rest:
        return re.compile(first, re.S)
    # Each piece settles at its first place (atomic): the shortest match is as good as any other,
    # and a name made to backtrack costs no more than one that matches.
    middle = "".join(f"(?>.*?{piece})" for piece in rest[:-1])
    return re.compile(f"{first}{middle}.*{rest[-1]}", re.S)


def _one(character: str) -> str:
    return "." if character == "?" else re.escape(character)


def is_glob(pattern: str) -> bool:
    """Whether the pattern can match more than its own text."""
    return "*" in pattern or "?" in pattern


def matches(pattern: str, name: str) -> bool:
    """Whether the whole name matches the pattern."""
    if not is_glob(pattern):
        return pattern == name
    return _compiled(pattern).fullmatch(name) is not None
