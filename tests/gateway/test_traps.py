"""Mistakes that gateways before this one made. Further traps stand beside what they are about."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from engine.gateway import config
from engine.gateway.snapshot import build
from tests.gateway.harness import (
    CHAT,
    CLAUDE,
    chat_answer,
    chat_request,
    chat_stream,
    chunk,
    claude_answer,
    claude_request,
    claude_stream,
    credential,
    event,
    serving,
    translator,
)
from tests.gateway.wire import Script, Wire, answers, says, streams, upstream


def ask(
    provider: str,
    script: Script,
    path: str,
    body: Mapping[str, Any],
    **settings: Any,
) -> tuple[httpx.Response, Wire]:
    """One call through a gateway with one credential."""

    async def main() -> tuple[httpx.Response, Wire]:
        async with upstream(script) as wire:
            row = credential(provider, wire.url, **settings.pop("row", {}))
            async with serving({"credentials": [row], **settings}) as gw:
                return await gw.http.post(path, json=body), wire

    return asyncio.run(main())


def sent(body: dict[str, Any], source: str, target: str) -> dict[str, Any]:
    return translator().request(body, source=source, target=target).body


def test_trap_02_every_timeout_of_the_configuration_is_a_timeout() -> None:
    """A connection that is silent ends by the configured time, not by one in the code."""
    timeouts = {"first-event-secs": 0.05}
    retry = {"max-retries": 0}
    answer, _ = ask(
        "claude", says(b"", close=False), CLAUDE, claude_request(), timeouts=timeouts, retry=retry
    )
    assert answer.status_code == 504


def test_trap_03_one_key_at_two_addresses_is_two_credentials() -> None:
    rows = [
        {"provider": "claude", "name": name, "api-key": "k", "base-url": f"http://{name}.example"}
        for name in "ab"
    ]
    settings = config.parse(json.dumps({"credentials": rows}), {})
    both = build(settings, translator=translator(), environ={}).router.credentials
    assert len({each.id for each in both}) == 2
    assert [each.url("/v1/messages", "claude") for each in both] == [
        "http://a.example/v1/messages",
        "http://b.example/v1/messages",
    ]


@pytest.mark.parametrize("path", [CHAT, CLAUDE])
def test_trap_15_an_alias_never_reaches_a_compatible_server(path: str) -> None:
    body = chat_request(model="nick") if path == CHAT else claude_request(model="nick")
    models = [{"id": "real", "alias": "nick"}]
    answer, wire = ask(
        "openai-compatible", answers(chat_answer(model="real")), path, body, row={"models": models}
    )
    assert wire.heard[0].document["model"] == "real"
    assert answer.json()["model"] == "nick"


def test_trap_16_an_assistants_list_of_parts_is_kept() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    turns = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": parts},
        {"role": "user", "content": "go on"},
    ]
    body = sent({"model": "m", "messages": turns}, "openai-chat", "claude")
    assert [block["text"] for block in body["messages"][1]["content"]] == ["one", "two"]


@pytest.mark.parametrize("content", ["", None, []])
def test_trap_17_no_empty_text_is_sent(content: Any) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turns = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": content, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "r"},
    ]
    body = sent({"model": "m", "messages": turns}, "openai-chat", "claude")
    assert [block["type"] for block in body["messages"][1]["content"]] == ["tool_use"]


def test_trap_18_cached_tokens_are_counted() -> None:
    usage = {
        "input_tokens": 5,
        "output_tokens": 3,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 20,
    }
    answer, _ = ask(
        "claude", answers({**claude_answer(), "usage": usage}), CHAT, chat_request("hi")
    )
    told = answer.json()["usage"]
    assert told["prompt_tokens"] == 125
    assert told["prompt_tokens_details"]["cached_tokens"] == 100


def test_trap_19_an_error_event_of_the_upstream_reaches_the_client() -> None:
    error = event("error", error={"type": "overloaded_error", "message": "too much"})
    pieces = [*claude_stream("one")[:3], error]
    answer, _ = ask("claude", streams(*pieces), CHAT, chat_request(stream=True))
    assert "too much" in answer.text
    assert "[DONE]" not in answer.text


GEMINI_ASK: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "[1]"},
    ],
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "look",
                "parameters": {"$schema": "x", "type": "object", "properties": {}},
            },
        }
    ],
}


def test_trap_20_a_result_carries_the_name_of_its_call() -> None:
    body = sent(GEMINI_ASK, "openai-chat", "gemini")
    response = body["contents"][-1]["parts"][0]["functionResponse"]
    assert response["name"] == "look"
    assert isinstance(response["response"], dict)


def test_trap_21_no_schema_keyword_is_sent_that_the_upstream_refuses() -> None:
    body = sent(GEMINI_ASK, "openai-chat", "gemini")
    (declared,) = body["tools"][0]["functionDeclarations"]
    assert "$schema" not in json.dumps(declared)


def gemini_answer(*parts: dict[str, Any]) -> dict[str, Any]:
    content = {"role": "model", "parts": list(parts)}
    candidate = {"content": content, "finishReason": "STOP", "index": 0}
    return {"candidates": [candidate], "modelVersion": "m", "responseId": "r"}


def told(answer: dict[str, Any], target: str) -> dict[str, Any]:
    return translator().response(answer, source="gemini", target=target, request={}).body


def test_trap_22_thoughts_are_no_part_of_the_answer() -> None:
    answer = gemini_answer({"text": "hidden", "thought": True}, {"text": "shown"})
    message = told(answer, "openai-chat")["choices"][0]["message"]
    assert message["content"] == "shown"


def test_trap_23_an_answer_with_calls_ends_for_calls() -> None:
    answer = gemini_answer({"functionCall": {"name": "look", "args": {}}})
    assert told(answer, "openai-chat")["choices"][0]["finish_reason"] == "tool_calls"
    assert told(answer, "claude")["stop_reason"] == "tool_use"


def test_trap_24_the_signature_of_a_thought_comes_back_in_the_next_turn() -> None:
    call = {"functionCall": {"name": "look", "args": {}}, "thoughtSignature": "c2ln"}
    message = told(gemini_answer(call), "claude")
    asked = claude_request(
        messages=[
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": message["content"]},
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": message["content"][-1]["id"],
                        "content": "r",
                    }
                ],
            },
        ]
    )
    parts = sent(asked, "claude", "gemini")["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts if "functionCall" in part] == ["c2ln"]


def test_trap_25_a_stream_is_streamed_in_every_wire_format() -> None:
    events = [
        {"type": "response.created", "response": {"id": "r", "status": "in_progress"}},
        {"type": "response.completed", "response": {"id": "r", "status": "completed"}},
    ]
    pieces = [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events]
    body = {"model": "m", "input": "hi", "stream": True}
    answer, wire = ask("openai", streams(*pieces), "/v1/responses", body)
    assert wire.heard[0].document["stream"] is True
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.content == b"".join(pieces)


@pytest.mark.parametrize("path", [CHAT, CLAUDE])
def test_trap_27_a_character_may_be_cut_by_a_read(path: str) -> None:
    raw = b"".join(claude_stream("grüß dich 🌍")).replace(b"\\u00fc", "ü".encode())
    body = chat_request(stream=True) if path == CHAT else claude_request(stream=True)
    pieces = [raw[at : at + 1] for at in range(len(raw))]
    answer, _ = ask("claude", streams(*pieces), path, body)
    lines = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
    said = ""
    for data in map(json.loads, lines):
        for choice in data.get("choices", []):
            said += choice["delta"].get("content") or ""
        said += data.get("delta", {}).get("text", "")
    assert said == "grüß dich 🌍"


@pytest.mark.parametrize("provider", ["claude", "openai"])
def test_trap_28_name_and_data_of_an_event_stay_together(provider: str) -> None:
    pieces = claude_stream("hi") if provider == "claude" else chat_stream("hi")
    answer, _ = ask(provider, streams(*pieces), CLAUDE, claude_request(stream=True))
    frames = [frame for frame in answer.text.split("\n\n") if frame]
    for frame in frames:
        name, data = frame.split("\n")
        assert json.loads(data.removeprefix("data: "))["type"] == name.removeprefix("event: ")
    assert frames[-1].startswith("event: message_stop")


@pytest.mark.parametrize("path", [CHAT, CLAUDE])
@pytest.mark.parametrize("provider", ["claude", "openai"])
def test_trap_29_a_broken_stream_ends_with_the_clients_own_error(path: str, provider: str) -> None:
    begun = claude_stream("one")[:3] if provider == "claude" else [chunk({"content": "one"})]
    body = chat_request(stream=True) if path == CHAT else claude_request(stream=True)
    answer, _ = ask(provider, streams(*begun, cut=True), path, body)
    last = [frame for frame in answer.text.split("\n\n") if frame][-1]
    if path == CLAUDE:
        assert last.startswith("event: error\n")
        assert json.loads(last.split("data: ")[1])["type"] == "error"
    else:
        assert "error" in json.loads(last.removeprefix("data: "))


@pytest.mark.parametrize(
    ("provider", "path"), [("claude", CHAT), ("openai", CLAUDE), ("openai-compatible", CLAUDE)]
)
def test_trap_31_an_upstreams_error_is_told_in_the_clients_shape(provider: str, path: str) -> None:
    ours = {"type": "error", "error": {"type": "invalid_request_error", "message": "no such thing"}}
    theirs = {"error": {"message": "no such thing", "type": "invalid_request_error", "code": None}}
    body = chat_request() if path == CHAT else claude_request()
    answer, _ = ask(provider, answers(ours if provider == "claude" else theirs, 400), path, body)
    told = answer.json()
    assert answer.status_code == 400
    assert told["error"]["message"] == "no such thing"
    assert ("type" in told) == (path == CLAUDE)
    assert ("param" in told["error"]) == (path == CHAT)
