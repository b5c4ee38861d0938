"""The second turn of a conversation, as clients of each format write it from the first answer.

A careful client sends back what it got. One that strips keeps words and calls; one that renames
gives the calls ids of its own, too.
"""

import json
from collections.abc import Callable
from typing import Any

Body = dict[str, Any]
RESULTS = ("18:42, platform 3", "no driver")
ASKED = "When do the next trains to Ghent and Bruges leave?"
TOOL: Body = {"name": "find_train", "description": "Next departure."}
SCHEMA: Body = {"type": "object", "properties": {"to": {"type": "string"}}}


def first(format: str, words: str = ASKED) -> Body:
    """The first request in a format."""
    text = {"role": "user", "content": words}
    if format == "openai-chat":
        function = {**TOOL, "parameters": SCHEMA}
        return {"model": "m", "messages": [text], "tools": [_function(function)]}
    if format == "claude":
        tool = {**TOOL, "input_schema": SCHEMA}
        return {"model": "m", "max_tokens": 3000, "messages": [text], "tools": [tool]}
    if format == "openai-responses":
        tool = {"type": "function", **TOOL, "parameters": SCHEMA, "strict": False}
        return {"model": "m", "input": [text], "tools": [tool]}
    tools = [{"functionDeclarations": [{**TOOL, "parametersJsonSchema": SCHEMA}]}]
    return {"contents": [{"role": "user", "parts": [{"text": words}]}], "tools": tools}


def _function(function: Body) -> Body:
    return {"type": "function", "function": function}


def second(format: str, answer: Body, keep: str = "all") -> Body:
    """The request after an answer of the format; see `grown`."""
    return grown(first(format), format, answer, keep)


def grown(body: Body, format: str, answer: Body, keep: str = "all") -> Body:
    """The request after the next answer: `keep` is all, calls (stripped) or words (its calls get
    new ids)."""
    key, turns = _TURNS[format](json.loads(json.dumps(answer)), keep)
    return {**body, key: [*body[key], *turns]}


def _chat(answer: Body, keep: str) -> tuple[str, list[Any]]:
    message = answer["choices"][0]["message"]
    if keep != "all":
        calls = message["tool_calls"]
        message = {"role": "assistant", "content": message["content"], "tool_calls": calls}
        for call in calls:
            call.pop("extra_content", None)
    ids = _ids(message["tool_calls"], "id", keep)
    results = zip(ids, RESULTS, strict=True)
    tools = [{"role": "tool", "tool_call_id": id, "content": text} for id, text in results]
    return "messages", [message, *tools]


def _claude(answer: Body, keep: str) -> tuple[str, list[Any]]:
    blocks = answer["content"]
    if keep != "all":
        blocks = [block for block in blocks if block["type"] in ("text", "tool_use")]
    ids = _ids([block for block in blocks if block["type"] == "tool_use"], "id", keep)
    results = [
        {"type": "tool_result", "tool_use_id": id, "content": text}
        for id, text in zip(ids, RESULTS, strict=True)
    ]
    turn = {"role": "assistant", "content": blocks}
    return "messages", [turn, {"role": "user", "content": results}]


def _responses(answer: Body, keep: str) -> tuple[str, list[Any]]:
    items = answer["output"]
    if keep != "all":
        items = [item for item in items if item["type"] in ("message", "function_call")]
    ids = _ids([item for item in items if item["type"] == "function_call"], "call_id", keep)
    results = [
        {"type": "function_call_output", "call_id": id, "output": text}
        for id, text in zip(ids, RESULTS, strict=True)
    ]
    return "input", [*items, *results]


def _gemini(answer: Body, keep: str) -> tuple[str, list[Any]]:
    parts = answer["candidates"][0]["content"]["parts"]
    if keep != "all":
        parts = [part for part in parts if not part.get("thought") and part.get("text") != ""]
        for part in parts:
            part.pop("thoughtSignature", None)
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    if keep == "words":  # here ids may be left out
        for call in calls:
            del call["id"]
    results = [
        {"functionResponse": {**call, "response": {"output": text}}}
        for call, text in zip(calls, RESULTS, strict=True)
    ]
    for result in results:
        del result["functionResponse"]["args"]
    return "contents", [{"role": "model", "parts": parts}, {"role": "user", "parts": results}]


def _ids(calls: list[Body], key: str, keep: str) -> list[str]:
    if keep == "words":
        for place, call in enumerate(calls):
            call[key] = f"own-{place}"
    return [call[key] for call in calls]


_TURNS: dict[str, Callable[[Body, str], tuple[str, list[Any]]]] = {
    "openai-chat": _chat,
    "claude": _claude,
    "openai-responses": _responses,
    "gemini": _gemini,
}
