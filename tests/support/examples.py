"""The worked examples of the wire formats, without what their README lets differ.

`comparable_request`, `comparable_answer` and `folded` take the same away from what was made and
from what the example says; all else must be equal.
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from engine.translation.framing import SseReader
from tests.support.recordings import ROOT

FOLDER = Path(os.environ.get("AI_PROXY_FORMATS", ROOT.parent / "shared" / "formats")) / "examples"
NAMES = {
    "openai-chat": "chat",
    "claude": "claude",
    "openai-responses": "responses",
    "gemini": "gemini",
}
FORMATS = list(NAMES)
NO_FAILURE_FLAG = {"openai-chat", "openai-responses"}
OWN_IDS = {
    "openai-chat": r"chatcmpl-\w+",
    "claude": r"msg_\w+",
    "openai-responses": r"resp_\w+",
    "gemini": r"\w+",
}
SENTINEL = "skip_thought_signature_validator"

_CALL_IDS = ("id", "tool_call_id", "tool_use_id", "call_id")
_SIGNATURES = ("signature", "encrypted_content", "thoughtSignature")


def document(format: str, ending: str) -> dict[str, Any]:
    """One example as JSON, such as `document("claude", ".request.json")`."""
    found: dict[str, Any] = json.loads(raw(format, ending))
    return found


def raw(format: str, ending: str) -> bytes:
    """One example as it stands."""
    return (FOLDER / f"{NAMES[format]}{ending}").read_bytes()


def without(value: Any, *keys: str) -> Any:
    """A copy without these keys, at any depth; without absent values, too."""
    if isinstance(value, dict):
        kept = {key: without(each, *keys) for key, each in value.items() if key not in keys}
        return {key: each for key, each in kept.items() if each is not None}
    if isinstance(value, list):
        return [without(each, *keys) for each in value]
    return value


def _paired(value: Any) -> Any:
    """Call ids by order: each format has its own, calls and results must still meet."""
    numbers: dict[str, str] = {}
    order = count(1)

    def named(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: numbers.setdefault(each, f"call {next(order)}")
                if key in _CALL_IDS and isinstance(each, str)
                else named(each)
                for key, each in value.items()
            }
        return [named(each) for each in value] if isinstance(value, list) else value

    return named(value)


def _in_words(text: str) -> str:
    return text if text.lower().startswith("error:") else f"Error: {text}"


# ---------------------------------------------------------------------------------------- requests


def comparable_request(format: str, body: dict[str, Any], other: str) -> Any:
    """A request without what may differ between `format` and `other`."""
    body = without(body, "model", "stream", "stream_options", "detail", "include", "store")
    pair = {format, other}
    if len(pair) == 2:
        body = without(body, *_SIGNATURES, "mediaResolution")
        # no thinking in the history of chat, and no vendor reads another's
        body = _REQUEST[format](body)
    if "gemini" in pair and format != other:
        # it names no end user, and has no strict tools
        body = without(body, "metadata", "safety_identifier", "strict")
    if pair & NO_FAILURE_FLAG and format != other:
        body = _WORDS[format](body)
    return _paired(body)


def _chat_request(body: dict[str, Any]) -> Any:
    if body.get("parallel_tool_calls") is True:
        del body["parallel_tool_calls"]  # the default, spelt out
    for message in body["messages"]:
        message["role"] = {"system": "developer"}.get(message["role"], message["role"])
    return body


def _claude_request(body: dict[str, Any]) -> Any:
    for message in body["messages"]:
        message["content"] = [each for each in message["content"] if each["type"] != "thinking"]
    return body


def _responses_request(body: dict[str, Any]) -> Any:
    body.pop("parallel_tool_calls", None)
    body["input"] = [each for each in body["input"] if each.get("type") != "reasoning"]
    return body


def _gemini_request(body: dict[str, Any]) -> Any:
    for content in body["contents"]:
        content["parts"] = [each for each in content["parts"] if not each.get("thought")]
    return body


def _claude_words(body: dict[str, Any]) -> Any:
    for message in body["messages"]:
        for part in message["content"]:
            if part.pop("is_error", False):
                part["content"] = _in_words(part["content"])
    return body


def _gemini_words(body: dict[str, Any]) -> Any:
    for content in body["contents"]:
        for part in content["parts"]:
            answer = part.get("functionResponse", {}).get("response", {})
            if "error" in answer:
                answer["output"] = _in_words(answer.pop("error"))
    return body


Change = Callable[[dict[str, Any]], Any]
_REQUEST: dict[str, Change] = {
    "openai-chat": _chat_request,
    "claude": _claude_request,
    "openai-responses": _responses_request,
    "gemini": _gemini_request,
}
_WORDS: dict[str, Change] = {
    "openai-chat": lambda body: body,
    "claude": _claude_words,
    "openai-responses": lambda body: body,
    "gemini": _gemini_words,
}


# ----------------------------------------------------------------------------------------- answers


def comparable_answer(format: str, body: dict[str, Any], other: str) -> Any:
    """An answer without what may differ when it came from `other`."""
    own_id = body["responseId"] if format == "gemini" else body["id"]
    assert re.fullmatch(OWN_IDS[format], own_id)
    if format == "openai-responses":
        # the rest repeats the client's request, or is about the server
        body = {key: body[key] for key in ("object", "status", "error", "output", "usage")}
    body = without(body, "model", "modelVersion", "created", "responseId", "reasoning_details")
    if format != other:
        body = without(body, *_SIGNATURES, "extra_content")
        if format == "openai-responses":
            # a signature of a call travels in an item before it
            body["output"] = [each for each in body["output"] if each.get("summary") != []]
        if format == "claude":
            body["content"] = [each for each in body["content"] if each.get("thinking") != ""]
    _counts(format, body, other)
    return _paired(body)


def _counts(format: str, body: dict[str, Any], other: str) -> None:
    """Gemini counts no writes to a cache, and only it counts by modality; it tells no tier."""
    if format == "gemini" and other != "gemini":
        body["usageMetadata"] = without(
            body["usageMetadata"], "promptTokensDetails", "cacheTokensDetails"
        )
    if other != "gemini" or format == "gemini":
        return
    body.pop("service_tier", None)
    usage = body["usage"]
    if format == "claude":
        usage["input_tokens"] += usage.pop("cache_creation_input_tokens", 0)
        usage.pop("cache_creation", None)
        usage.pop("service_tier", None)
    else:
        for key in ("prompt_tokens_details", "input_tokens_details"):
            usage.get(key, {}).pop("cache_write_tokens", None)


# ----------------------------------------------------------------------------------------- streams


def events(output: bytes) -> Iterator[tuple[str | None, dict[str, Any]]]:
    """The events of a stream with their names."""
    reader = SseReader()
    for name, raw in [*reader.feed(output), *reader.close()]:
        if raw != b"[DONE]":
            yield name, json.loads(raw)


def folded(format: str, output: bytes, other: str) -> Any:
    """A stream as one value: what a client collects; fails on what breaks a client."""
    found = _FOLD[format](list(events(output)))
    if format != other:
        found = without(found, *_SIGNATURES)
        if format == "claude":
            found["blocks"] = [each for each in found["blocks"] if each != {"type": "thinking"}]
    _counts(format, found, other)
    if format == "gemini":
        found["usage"] = found.pop("usageMetadata")
    return _paired(found)


Events = list[tuple[str | None, dict[str, Any]]]


def _chat(found: Events) -> Any:
    texts = {"content": "", "reasoning_content": ""}
    calls: dict[int, dict[str, str]] = {}
    rest: dict[str, Any] = {}
    for name, chunk in found:
        assert name is None and chunk["object"] == "chat.completion.chunk"
        rest["service_tier"] = chunk.get("service_tier")
        rest["usage"] = chunk.get("usage")
        for choice in chunk["choices"]:
            delta = choice["delta"]
            for key in texts:
                texts[key] += delta.get(key) or ""
            for part in delta.get("tool_calls", ()):
                call = calls.setdefault(part["index"], {"name": "", "arguments": ""})
                for key in call:
                    call[key] += part["function"].get(key) or ""
            rest["stop"] = choice["finish_reason"] or rest.get("stop")
    return {**texts, "calls": list(calls.values()), **rest}


def _claude(found: Events) -> Any:
    blocks: list[dict[str, Any]] = []
    rest: dict[str, Any] = {}
    for name, event in found:
        assert name == event["type"]
        match event["type"]:
            case "message_start":
                rest["usage"] = event["message"]["usage"]
            case "content_block_start":
                assert event["index"] == len(blocks)
                blocks.append({"json": "", **event["content_block"]})
            case "content_block_delta":
                assert event["index"] == len(blocks) - 1
                delta = event["delta"]
                for source, key in (
                    ("text", "text"),
                    ("thinking", "thinking"),
                    ("partial_json", "json"),
                    ("signature", "signature"),
                ):
                    blocks[-1][key] = blocks[-1].get(key, "") + delta.get(source, "")
            case "message_delta":
                rest["stop"] = event["delta"]
                rest["usage"] |= event["usage"]
    kept = [{k: v for k, v in block.items() if v and k != "id"} for block in blocks]
    # sums and flags that a stream may leave out
    usage = without(rest["usage"], "cache_creation", "service_tier")
    return {"blocks": kept, "stop": without(rest["stop"]), "usage": usage}


def _responses(found: Events) -> Any:
    deltas = ""
    for number, (name, event) in enumerate(found):
        assert name == event["type"] and event["sequence_number"] == number
        deltas += event.get("delta", "")
    end = found[-1][1]
    output = [each for each in end["response"]["output"] if each.get("summary") != []]
    said = [
        *(part["text"] for each in output for part in each.get("summary", ())),
        *(part["text"] for each in output for part in each.get("content", ())),
        *(each["arguments"] for each in output if each["type"] == "function_call"),
    ]
    assert deltas == "".join(said)
    kept = without(output, "id")
    return {"type": end["type"], "output": kept, "usage": end["response"]["usage"]}


def _gemini(found: Events) -> Any:
    parts: list[dict[str, Any]] = []
    rest: dict[str, Any] = {}
    for name, event in found:
        assert name is None
        rest["usageMetadata"] = {**rest.get("usageMetadata", {}), **event.get("usageMetadata", {})}
        for candidate in event["candidates"]:
            rest["stop"] = candidate.get("finishReason", rest.get("stop"))
            for part in candidate["content"]["parts"]:
                last = parts[-1] if parts else {}
                if "text" in part and "text" in last and part.get("thought") == last.get("thought"):
                    last["text"] += part["text"]
                elif part.get("text") != "":
                    parts.append(dict(part))
    return {"parts": parts, **rest}


_FOLD: dict[str, Callable[[Events], Any]] = {
    "openai-chat": _chat,
    "claude": _claude,
    "openai-responses": _responses,
    "gemini": _gemini,
}


def texts(found: list[dict[str, Any]]) -> list[str]:
    """The texts of a stream's events, thoughts too, in their order."""
    said: list[str] = []
    for event in found:
        if isinstance(delta := event.get("delta"), str):
            said.append(delta)
            continue
        deltas = [delta or {}, *(each.get("delta", {}) for each in event.get("choices", ()))]
        for candidate in event.get("candidates", ()):
            deltas += candidate["content"]["parts"]
        keys = ("thinking", "reasoning_content", "text", "content")
        said += [delta[key] for delta in deltas for key in keys if delta.get(key)]
    return said
