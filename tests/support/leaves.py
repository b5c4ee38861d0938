"""What of one document another one does not hold, when equal meanings are spelt alike."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from engine.translation.losses import Loss

SPELT = frozenset({"openai-chat", "claude"})
"""The formats whose equal meanings are known here."""

# Objects whose keys are the client's own words.
_OPAQUE = frozenset({"arguments", "input", "input_schema", "parameters", "schema", "metadata"})
_REPLACED = re.compile(r'\b(id|tool_call_id|tool_use_id) = "(?![A-Za-z0-9_-]{1,40}"$)')
# A word that only says what stands beside it: lost with it.
_WORD = re.compile(r"\.(type|role)$")
_SAME: dict[str, str] = {
    "max_tokens": "max_completion_tokens",
    "function_call": "tool_choice",
    "functions": "tools",
}


def missing(
    format: str, before: dict[str, Any], after: dict[str, Any], losses: Iterable[Loss]
) -> list[str]:
    """The leaves of `before`, as `path = value`, that neither `after` holds nor a loss names."""
    kept = Counter(_leaves(_alike(format, after)))
    lost = [_unnumbered(loss.path) for loss in losses]
    found: list[str] = []
    for leaf in _leaves(_alike(format, before)):
        if kept[leaf] > 0:
            kept[leaf] -= 1
        elif _REPLACED.search(" = ".join(leaf)):
            continue  # an id that a service refuses, replaced in call and result alike
        elif not any(_meet(_WORD.sub("", leaf[0]), path) for path in lost):
            found.append(" = ".join(leaf))
    return found


def _meet(path: str, other: str) -> bool:
    """Whether one path is the other or stands in it."""
    short, long = sorted((path, other), key=len)
    return long.startswith(short) and long[len(short) : len(short) + 1] in ("", ".", "[")


def _unnumbered(path: str) -> str:
    return re.sub(r"\[\d+\]", "[]", path)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(each, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each, f"{path}[]")
    else:
        yield path, json.dumps(value, ensure_ascii=False)


def _alike(format: str, value: Any, opaque: bool = False) -> Any:
    """One spelling of equal meanings: no nulls, no empty containers and texts, one name each."""
    if isinstance(value, list):
        alike = [_alike(format, each, opaque) for each in value]
        return alike if opaque else [each for each in alike if each not in ({}, _EMPTY_TEXT)]
    if not isinstance(value, dict):
        return value
    made: dict[str, Any] = {}
    for name, each in (value if opaque else {**value, **_parsed(format, value)}).items():
        inside = opaque or name in _OPAQUE
        alike = _alike(format, each, inside)
        if alike is None or (not inside and alike in ({}, [], "")):
            continue
        own_name = _SAME.get(str(name)) if format == "openai-chat" and not opaque else None
        made[own_name or name] = alike
    return made


def _parsed(format: str, value: dict[str, Any]) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for key in ("content", "system", "stop", "image_url", "arguments"):
        text = value.get(key)
        if isinstance(text, str):
            changed[key] = _SPELLINGS[key](text)
    if format == "openai-chat" and value.get("tool_choice") == "any":
        changed["tool_choice"] = "required"  # one server's word for it
    if value.get("finish_reason") in ("eos", "eos_token", "end_turn", "STOP"):
        changed["finish_reason"] = "stop"  # other servers' words for it
    if "prompt_cache_breakpoint" in value:
        changed["cache_control"] = None  # the same mark in another dialect
    if format == "claude" and "output_format" in value:
        changed["output_config"] = {
            **value.get("output_config", {}),
            "format": value["output_format"],
        }
        changed["output_format"] = None  # its name while it was a beta
    if format == "claude" and isinstance(value.get("messages"), list):
        changed["messages"] = _merged(value["messages"])
    return changed


def _arguments(text: str) -> Any:
    try:
        return json.loads(text) if text.strip() else {}
    except ValueError:
        return text


def _merged(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbours of one role are one message to the service."""
    found: list[dict[str, Any]] = []
    for message in messages:
        content = message.get("content")
        parts = _text_parts(content) if isinstance(content, str) else content
        if found and found[-1]["role"] == message["role"]:
            found[-1] = {**message, **found[-1], "content": found[-1]["content"] + parts}
        else:
            found.append({**message, "content": parts})
    return found


def _text_parts(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


_EMPTY_TEXT = {"type": "text"}
_SPELLINGS: dict[str, Callable[[str], Any]] = {
    "content": _text_parts,
    "system": _text_parts,
    "stop": lambda text: [text],
    "image_url": lambda text: {"url": text},
    "arguments": _arguments,
}
