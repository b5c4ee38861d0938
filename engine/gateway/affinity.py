"""What a conversation begins with: the account that answered it has the prompt cached."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from engine.translation import jsontext

_ASKING = ("user", "system", "developer")


def opening(body: Mapping[str, Any], facts: Mapping[str, Any]) -> tuple[str, bool] | None:
    """A digest of the prompt up to the first user turn, and whether there is more behind it.

    ``facts`` are a format's ``affinity``; None when the format has none or nothing was said.
    """
    turns = body.get(facts.get("turns", ""))
    if not turns or not isinstance(turns, (str, list)):
        return None
    continued = False
    if isinstance(turns, list):
        first = next((at for at, turn in enumerate(turns) if _role(turn) == "user"), 0)
        continued = any(_role(turn) not in _ASKING for turn in turns[first + 1 :])
        turns = turns[: first + 1]
    begin = [turns, *(body.get(key) for key in facts.get("with", ()))]
    stable = _without(begin, frozenset(facts.get("unstable", ())))
    return hashlib.sha256(jsontext.dumps(stable)).hexdigest(), continued


def _role(turn: Any) -> Any:
    return turn.get("role") if isinstance(turn, dict) else None


def _without(value: Any, keys: frozenset[str]) -> Any:
    if not keys:
        return value
    if isinstance(value, dict):
        return {key: _without(item, keys) for key, item in value.items() if key not in keys}
    return [_without(item, keys) for item in value] if isinstance(value, list) else value
