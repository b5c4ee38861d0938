"""Where a document differs from the one that a case wants, for people."""

from __future__ import annotations

import json
from typing import Any

from engine.translation.probes import is_inside, leaves

MOST = 8
LONGEST = 120
NOTHING = "nothing"


def difference(made: Any, wanted: Any) -> str:
    """Each place with what stands there and what should, up to a bound; empty when they are
    equal."""
    if made == wanted:
        return ""
    found, known = leaves(made), leaves(wanted)
    rows = [
        f"{path or 'all of it'} is {_shown(path, found)}, not {_shown(path, known)}"
        for path in dict.fromkeys((*known, *found))
        if path not in found or path not in known or found[path] != known[path]
        # an empty one that is filled on the other side is told by what fills it
        if not _filled(path, found, known) and not _filled(path, known, found)
    ]
    more = [f"and {len(rows) - MOST} more"] if len(rows) > MOST else []
    return "; ".join([*rows[:MOST], *more])


def _filled(path: str, values: dict[str, Any], others: dict[str, Any]) -> bool:
    empty = path in values and values[path] in ({}, [])
    return empty and path not in others and any(is_inside(each, path) for each in others)


def _shown(path: str, values: dict[str, Any]) -> str:
    if path not in values:
        return NOTHING
    text = json.dumps(values[path], ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
