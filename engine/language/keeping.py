"""What rules of streams and scans do to their state, and to the events that they emit."""

from __future__ import annotations

from typing import Any

from engine.language.functions import FunctionError, json_text
from engine.language.saying import NULL, article, type_name


def put(state: dict[str, Any], name: str, path: tuple[Any, ...], value: Any) -> None:
    """Set one key of an object in the state, however deep; None removes it."""
    if None in path:
        return
    at = state[name]
    if type(at) is not dict:
        at = state[name] = {}
    *above, last = map(key_text, path)
    for key in above:
        below = at.get(key)
        if type(below) is not dict:
            below = at[key] = {}
        at = below
    if value is None:
        at.pop(last, None)
    else:
        at[last] = None if value is NULL else value


def key_text(value: Any) -> str:
    """A computed key: a text as it is, a number or boolean as JSON writes it."""
    if type(value) is str:
        return value
    if isinstance(value, dict | list):
        raise FunctionError("$key", f"must be a text or number, not {article(type_name(value))}")
    return json_text(value) or ""


def own(value: Any) -> Any:
    """A copy for the state: what is set in it later stays out of the document it came from."""
    if type(value) is dict:
        return {key: own(each) for key, each in value.items()}
    return [own(each) for each in value] if type(value) is list else value


def stamp(out: list[Any], begin: int, keys: dict[str, Any]) -> None:
    """Put these keys on the events emitted since ``begin``, where they do not have them."""
    for position in range(begin, len(out)):
        event = out[position]
        if type(event) is dict and not event.keys() >= keys.keys():
            # the event may be a part of a document
            out[position] = {**event, **{k: v for k, v in keys.items() if k not in event}}


def release(state: dict[str, Any], queue: str) -> list[Any]:
    """The events waiting in a queue, which is empty from now on."""
    waiting: dict[str, list[Any]] = state["$held"]
    return waiting.pop(queue, [])


def hold(state: dict[str, Any], queue: str, event: Any) -> None:
    """An event waits."""
    state["$held"].setdefault(queue, []).append(event)


def append(state: dict[str, Any], name: str, path: tuple[Any, ...], value: Any) -> None:
    """Append to a list of the state, made when it is not there; None appends nothing."""
    if value is None or None in path:
        return
    at, *keys = state, name, *map(key_text, path)
    for key in keys[:-1]:
        below = at.get(key)
        if type(below) is not dict:
            below = at[key] = {}
        at = below
    there = at.get(keys[-1])
    if type(there) is not list:
        there = at[keys[-1]] = []
    there.append(None if value is NULL else value)
