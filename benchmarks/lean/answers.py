"""Claude answers as chat ones."""

from __future__ import annotations

from typing import Any

import orjson

Body = dict[str, Any]

_ANSWER = frozenset(
    {"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"}
)
_TEXT = frozenset({"type", "text", "citations"})
_CALL = frozenset({"type", "id", "name", "input"})
_THINKING = frozenset({"type", "thinking", "signature"})
_USAGE = frozenset(
    "input_tokens output_tokens cache_creation_input_tokens cache_read_input_tokens"
    " cache_creation service_tier".split()
)
_STOPS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "pause_turn": "stop",
}
TIERS = {"standard": "default", "priority": "priority", "batch": "batch"}


class Wrong(ValueError):
    """The answer cannot be used."""


def convert(body: Body, model: str, now: int) -> tuple[Body, list[str]]:
    """The chat answer and what was lost; ``model`` is the client's name for it. Raises Wrong."""
    lost: list[str] = []
    if not _ANSWER.issuperset(body):
        lost.append("answer")
    content = body.get("content")
    if type(content) is not list:
        raise Wrong("content")
    texts: list[str] = []
    thoughts: list[str] = []
    details: list[Body] = []
    calls: list[Body] = []
    for block in content:
        kind = block.get("type")
        if kind == "text":
            if not _TEXT.issuperset(block):
                lost.append("block")
            if block.get("citations"):
                lost.append("citations")
            texts.append(block.get("text") or "")
        elif kind == "tool_use":
            if not _CALL.issuperset(block):
                lost.append("block")
            function = {"name": block.get("name"), "arguments": _arguments(block.get("input"))}
            calls.append({"id": block.get("id"), "type": "function", "function": function})
        elif kind == "thinking":
            if not _THINKING.issuperset(block):
                lost.append("block")
            thoughts.append(block.get("thinking") or "")
            details.append({"type": "reasoning.text", **block})
        else:
            lost.append("block")
    text = "".join(texts)
    message: Body = {"role": "assistant", "content": text if texts else None, "refusal": None}
    if thoughts:
        message["reasoning_content"] = "\n\n".join(thoughts)
        message["reasoning_details"] = details
    if calls:
        message["tool_calls"] = calls
    message["annotations"] = []
    stop = body.get("stop_reason")
    reason = _STOPS.get(stop) if type(stop) is str else None
    if reason is None:
        reason = "stop"
        lost.append("stop_reason")
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    out: Body = {
        "id": _id(body.get("id")),
        "object": "chat.completion",
        "created": now,
        "model": model,
        "choices": [choice],
    }
    given = body.get("usage")
    if given is not None:
        if not _USAGE.issuperset(given):
            lost.append("usage")
        out["usage"] = usage(given)
        tier = TIERS.get(given.get("service_tier"))
        if tier is not None:
            out["service_tier"] = tier
    out["system_fingerprint"] = None
    return out, lost


def usage(given: Body) -> Body:
    """Counts as chat tells them."""
    read = given.get("cache_read_input_tokens") or 0
    written = given.get("cache_creation_input_tokens") or 0
    prompt = (given.get("input_tokens") or 0) + read + written
    completion = given.get("output_tokens") or 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {
            "cached_tokens": read,
            "cache_write_tokens": written,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _arguments(value: Any) -> str:
    return "{}" if value is None else orjson.dumps(value).decode()


def _id(ident: Any) -> str:
    if type(ident) is not str:
        raise Wrong("id")
    return "chatcmpl-" + ident.removeprefix("msg_")
