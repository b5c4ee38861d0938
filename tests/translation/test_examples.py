"""The worked examples of the wire formats convert into each other.

One conversation in every format, whole and streamed, stands in a folder outside the project:
AI_PROXY_FORMATS names it, by default `../shared/formats`. What may differ is listed in its README;
`_request`, `_answer` and `_folded` take exactly that away, from both sides.
"""

import json
import os
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from engine.translation.framing import SseReader
from tests.support.recordings import ROOT
from tests.support.translations import translator

FOLDER = Path(os.environ.get("AI_PROXY_FORMATS", ROOT.parent / "shared" / "formats")) / "examples"
NAMES = {"openai-chat": "chat", "claude": "claude"}
FORMATS = list(NAMES)
PAIRS = [(source, target) for source in FORMATS for target in FORMATS]

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"no examples in {FOLDER}; AI_PROXY_FORMATS names their folder"
)


def _document(format: str, ending: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(_bytes(format, ending))
    return document


def _bytes(format: str, ending: str) -> bytes:
    return (FOLDER / f"{NAMES[format]}{ending}").read_bytes()


def _without(value: Any, *keys: str) -> Any:
    """A copy without these keys, at any depth; without absent values, too."""
    if isinstance(value, dict):
        kept = {key: _without(each, *keys) for key, each in value.items() if key not in keys}
        return {key: each for key, each in kept.items() if each is not None}
    if isinstance(value, list):
        return [_without(each, *keys) for each in value]
    return value


def _paired(value: Any) -> Any:
    """Call ids by order: each format has its own, calls and results must still meet."""
    numbers: dict[str, str] = {}
    order = count(1)

    def named(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: numbers.setdefault(each, f"call {next(order)}")
                if key in ("id", "tool_call_id", "tool_use_id") and isinstance(each, str)
                else named(each)
                for key, each in value.items()
            }
        return [named(each) for each in value] if isinstance(value, list) else value

    return named(value)


def _request(format: str, body: dict[str, Any], other: str) -> Any:
    """A request without what the README lets differ between `format` and `other`."""
    body = _without(body, "model", "stream_options", "detail", "signature")
    if format == "claude":
        body["system"] = [{"type": "text", "text": part["text"]} for part in body["system"]]
        for message in body["messages"]:
            content = message["content"]
            if "openai-chat" in (format, other) and format != other:
                # chat has no thinking in history, and tells a failure in words
                content = [part for part in content if part["type"] != "thinking"]
                content = [_failed_in_words(part) for part in content]
            message["content"] = content
    if format == "openai-chat":
        for message in body["messages"]:
            message["role"] = {"system": "developer"}.get(message["role"], message["role"])
        if body.get("parallel_tool_calls") is True:
            del body["parallel_tool_calls"]  # the default, spelt out
    return _paired(body)


def _failed_in_words(part: dict[str, Any]) -> dict[str, Any]:
    if part["type"] != "tool_result":
        return part
    text = part["content"]
    if part.get("is_error") and not text.lower().startswith("error:"):
        text = f"Error: {text}"
    return {"type": "tool_result", "tool_use_id": part["tool_use_id"], "content": text}


def _answer(format: str, body: dict[str, Any], other: str) -> Any:
    """An answer without what the README lets differ."""
    own_id = body["id"]
    assert re.fullmatch(r"chatcmpl-\w+" if format == "openai-chat" else r"msg_\w+", own_id)
    body = _without(body, "id", "created", "model", "reasoning_details")
    if format != other:
        body = _without(body, "signature")
    return body


def _stream(format: str, output: bytes) -> Iterator[tuple[str | None, dict[str, Any]]]:
    reader = SseReader()
    for frame in [*reader.feed(output), *reader.close()]:
        if frame.data != b"[DONE]":
            yield frame.name, json.loads(frame.data)


def _folded(format: str, output: bytes) -> Any:
    """A stream as one value: what a client collects; fails on what breaks a client."""
    events = list(_stream(format, output))
    return _chat(events) if format == "openai-chat" else _claude(events)


def _chat(events: list[tuple[str | None, dict[str, Any]]]) -> Any:
    texts = {"content": "", "reasoning_content": ""}
    calls: dict[int, dict[str, str]] = {}
    rest: dict[str, Any] = {}
    for name, chunk in events:
        assert name is None and chunk["object"] == "chat.completion.chunk"
        rest["tier"] = chunk.get("service_tier")
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


def _claude(events: list[tuple[str | None, dict[str, Any]]]) -> Any:
    blocks: list[dict[str, Any]] = []
    rest: dict[str, Any] = {}
    for name, event in events:
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
    usage = _without(rest["usage"], "cache_creation", "service_tier")
    return {"blocks": kept, "stop": _without(rest["stop"]), "usage": usage}


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_request_becomes_the_other_formats_request(source: str, target: str) -> None:
    body = translator().request(_document(source, ".request.json"), source, target).body
    expected = _document(target, ".request.json")
    assert _request(target, body, source) == _request(target, expected, source)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_an_answer_becomes_the_other_formats_answer(source: str, target: str) -> None:
    client = _document(target, ".request.json")
    answer = translator().response(_document(source, ".json"), source, target, request=client)
    expected = _document(target, ".json")
    assert _answer(target, answer.body, source) == _answer(target, expected, source)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_stream_becomes_the_other_formats_stream(source: str, target: str) -> None:
    client = _document(target, ".request.json")
    stream = translator().stream(source, target, request=client)
    output = stream.feed(_bytes(source, ".sse")) + stream.close()
    folded, expected = _folded(target, output), _folded(target, _bytes(target, ".sse"))
    if source != target:
        folded, expected = _without(folded, "signature"), _without(expected, "signature")
    assert folded == expected
    assert output.endswith(b"data: [DONE]\n\n") is (target == "openai-chat")


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_stream_that_breaks_becomes_one_that_breaks(source: str, target: str) -> None:
    client = _document(target, ".request.json")
    stream = translator().stream(source, target, request=client)
    output = stream.feed(_bytes(source, ".error.sse")) + stream.close()
    *before, (name, last) = _stream(target, output)
    *expected, (wanted_name, wanted) = _stream(target, _bytes(target, ".error.sse"))
    assert (name, _without(last, "request_id")) == (wanted_name, _without(wanted, "request_id"))
    # a block that was open is closed first, and nobody needs to hear a ping
    said = [event for _, event in before if event.get("type") != "content_block_stop"]
    assert _texts(said) == _texts([event for _, event in expected])


def _texts(events: list[dict[str, Any]]) -> list[str]:
    found: list[str] = []
    for event in events:
        deltas = [event.get("delta") or {}, *(c["delta"] for c in event.get("choices", ()))]
        keys = ("thinking", "reasoning_content", "text", "content")
        found += [delta[key] for delta in deltas for key in keys if delta.get(key)]
    return found


def test_a_refusal_tells_a_chat_client_why() -> None:
    refused = json.loads((FOLDER / "claude.refusal.json").read_bytes())
    client = _document("openai-chat", ".request.json")
    answer = translator().response(refused, "claude", "openai-chat", request=client)
    [choice] = answer.body["choices"]
    assert choice["finish_reason"] == "content_filter"
    assert choice["message"]["refusal"] == refused["stop_details"]["explanation"]
    assert choice["message"]["content"] is None


def test_a_refusal_stays_what_it_is_for_its_own_clients() -> None:
    refused = json.loads((FOLDER / "claude.refusal.json").read_bytes())
    client = _document("claude", ".request.json")
    body = translator().response(refused, "claude", "claude", request=client).body
    assert _without(body, "model") == _without(refused, "model")
