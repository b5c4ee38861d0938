"""Upstreams that only stream, and upstreams that cannot, before clients that want the other."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.gateway.harness import (
    CHAT,
    CLAUDE,
    Running,
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
from tests.gateway.wire import Script, Wire, answers, hangs, streams, upstream

PROVIDERS: dict[str, Any] = {
    "chat-only": {"extends": "openai-compatible", "streaming": "only"},
    "chat-none": {"extends": "openai-compatible", "streaming": "none"},
    "claude-only": {"format": "claude", "streaming": "only"},
    "claude-none": {"format": "claude", "streaming": "none"},
    "by-model": {
        "format": "claude",
        "streaming": "only",
        "models": [{"match": "*-both", "streaming": "both"}, {"match": "*", "quirks": {}}],
    },
}
STREAM = {"chat": chat_stream("hel", "lo"), "claude": claude_stream("hel", "lo")}
WHOLE = {"chat": chat_answer("hello"), "claude": claude_answer("hello")}
ASKED: dict[str, dict[str, Any]] = {
    CHAT: chat_request(),
    CLAUDE: claude_request(),
    "/v1/responses": {"model": "m", "input": "hi"},
}


def ask(
    provider: str,
    scripts: list[Script],
    path: str = CHAT,
    settings: dict[str, Any] | None = None,
    **more: Any,
) -> tuple[httpx.Response, Wire, Running]:
    """One call of a gateway with two credentials of the provider, at one upstream."""

    async def main() -> tuple[httpx.Response, Wire, Running]:
        async with upstream(*scripts) as wire:
            rows = [credential(provider, wire.url, name) for name in "ab"]
            quick = {"max-backoff-secs": 0}
            given = {
                "credentials": rows,
                "retry": quick,
                "providers": PROVIDERS,
                **(settings or {}),
            }
            async with serving(given) as gw:
                answer = await gw.http.post(path, json={**ASKED[path], **more})
                return answer, wire, gw

    return asyncio.run(main())


def text_of(path: str, answer: httpx.Response) -> str:
    body = answer.json()
    if path == CHAT:
        return str(body["choices"][0]["message"]["content"])
    if path == CLAUDE:
        return str(body["content"][0]["text"])
    return str(body["output"][0]["content"][0]["text"])


# -- upstreams that only stream


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("wire_format", ["chat", "claude"])
def test_a_client_that_wants_a_whole_answer_gets_the_stream_gathered(
    wire_format: str, path: str
) -> None:
    script = streams(*STREAM[wire_format])
    answer, wire, gw = ask(f"{wire_format}-only", [script], path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert text_of(path, answer) == "hello"
    (heard,) = wire.heard
    assert heard.document["stream"] is True
    assert heard.headers["accept"] == "text/event-stream"
    counted = gw.gateway.metrics.document()
    assert counted["total_errors"] == 0
    assert counted["total_output_tokens"] == (3 if wire_format == "claude" else 0)


def test_its_streams_stay_streams() -> None:
    answer, wire, _ = ask("claude-only", [streams(*STREAM["claude"])], CLAUDE, stream=True)
    assert answer.content == b"".join(STREAM["claude"])
    assert len(wire.heard) == 1


def test_a_row_of_models_says_it_for_some() -> None:
    script = answers(WHOLE["claude"])
    _, wire, _ = ask("by-model", [script], CLAUDE, model="x-both")
    assert not wire.heard[0].document.get("stream")
    _, wire, _ = ask("by-model", [streams(*STREAM["claude"])], CLAUDE, model="x")
    assert wire.heard[0].document["stream"] is True


ERROR = {"type": "overloaded_error", "message": "later"}
LATE = b"".join(STREAM["claude"][:3]) + event("error", error=ERROR)


@pytest.mark.parametrize(
    ("first", "status"),
    [
        (streams(event("error", error=ERROR)), 529),
        (streams(LATE), 529),
        (streams(*STREAM["claude"][:3]), 502),
        (streams(*STREAM["claude"][:3], cut=True), 502),
        (streams(b"data: no json\n\n"), 502),
        (streams(*STREAM["claude"][:3], hang=True), 504),
        (hangs(), 504),
    ],
    ids="first-event middle early-end reset garbage falls-silent silent".split(),
)
def test_what_goes_wrong_in_the_middle_has_a_status_and_may_be_tried_elsewhere(
    first: Script, status: int
) -> None:
    quick = {"timeouts": {"first-event-secs": 0.3, "idle-secs": 0.3}}
    good = streams(*STREAM["claude"])
    answer, wire, _ = ask("claude-only", [first, good], settings=quick)
    assert (answer.status_code, len(wire.heard)) == (200, 2)
    assert text_of(CHAT, answer) == "hello"
    once = {**quick, "retry": {"max-retries": 0}}
    answer, wire, gw = ask("claude-only", [first], settings=once)
    # what the upstream says is told with its status, in the client's own words for it
    assert answer.status_code == {529: 503}.get(status, status)
    assert answer.json()["error"]["message"]
    assert gw.gateway.metrics.document()["total_errors"] == 1


def test_a_long_stream_is_not_held_beyond_the_limit() -> None:
    long = [chunk({"content": "x" * 1000}) for _ in range(300)]
    answer, _, _ = ask("chat-only", [streams(*long, hang=True)], settings={"max-answer-mb": 0.1})
    assert answer.status_code == 502
    assert "longer than 104857 bytes" in answer.json()["error"]["message"]


def test_a_slow_stream_may_take_longer_than_its_first_event() -> None:
    quick = {"timeouts": {"first-event-secs": 0.5, "idle-secs": 5}}
    script = streams(*STREAM["claude"], pause=0.12)
    answer, _, _ = ask("claude-only", [script], settings=quick)
    assert text_of(CHAT, answer) == "hello"


def test_the_connection_is_used_again_after_a_gathered_stream() -> None:
    async def main() -> int:
        async with upstream(streams(*STREAM["chat"])) as wire:
            rows = [credential("chat-only", wire.url)]
            async with serving({"credentials": rows, "providers": PROVIDERS}) as gw:
                for _ in range(3):
                    assert (await gw.chat()).status_code == 200
            return wire.connections

    assert asyncio.run(main()) == 1


def test_whole_answers_are_kept_alive_while_a_stream_is_gathered() -> None:
    settings = {"non-stream-keepalive-secs": 0.1}
    script = streams(*STREAM["claude"], pause=0.15)
    answer, _, _ = ask("claude-only", [script], settings=settings)
    assert answer.text.startswith(" ")
    assert text_of(CHAT, answer) == "hello"


def test_words_are_masked_and_restored_in_a_gathered_stream() -> None:
    words = {"mode": "always", "sensitive-words": ["Falcon"]}

    async def main() -> None:
        masks: list[str] = []

        async def echo(heard: Any, writer: Any) -> None:
            masks.append(heard.document["messages"][0]["content"][0]["text"])
            await streams(*claude_stream(*masks[-1]))(heard, writer)

        async with upstream(echo) as wire:
            rows = [credential("claude-only", wire.url, cloak=words)]
            async with serving({"credentials": rows, "providers": PROVIDERS}) as gw:
                answer = await gw.chat("Falcon flies")
        assert "Falcon" not in json.dumps(masks)
        assert text_of(CHAT, answer) == "Falcon flies"

    asyncio.run(main())


# -- upstreams that cannot stream


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("wire_format", ["chat", "claude"])
def test_a_client_that_wants_a_stream_gets_the_whole_answer_as_one(
    wire_format: str, path: str
) -> None:
    script = answers(WHOLE[wire_format])
    answer, wire, gw = ask(f"{wire_format}-none", [script], path, stream=True)
    assert answer.headers["content-type"] == "text/event-stream"
    back = translator().gather(by_path(path), by_path(path), 10**6, request=ASKED[path])
    back.feed(answer.content)
    back.close()
    assert back.error is None
    assert '"hello"' in json.dumps(back.answer())
    (heard,) = wire.heard
    assert not heard.document.get("stream")
    assert heard.headers["accept"] == "application/json"
    assert gw.gateway.metrics.document()["total_output_tokens"] == 3


def by_path(path: str) -> str:
    return {CHAT: "openai-chat", CLAUDE: "claude"}.get(path, "openai-responses")


def test_signs_of_life_bridge_the_wait_for_a_whole_answer() -> None:
    async def slow(heard: Any, writer: Any) -> None:
        await asyncio.sleep(0.35)
        await answers(WHOLE["claude"])(heard, writer)

    settings = {"streaming": {"keepalive-seconds": 0.1}}
    answer, _, _ = ask("claude-none", [slow], settings=settings, stream=True)
    assert answer.text.startswith(": keepalive\n\n: keepalive\n\n")
    assert answer.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(
    "first",
    [
        answers({"type": "error", "error": ERROR}, 529),
        answers({"type": "error", "error": ERROR}),
        answers(None, raw=b"[]"),
        answers(None, raw=b"<html>"),
        hangs(),
    ],
    ids="status error-in-200 list html silent".split(),
)
def test_a_whole_answer_that_is_none_is_tried_elsewhere(first: Script) -> None:
    quick = {"timeouts": {"first-event-secs": 0.3}}
    script = answers(WHOLE["claude"])
    answer, wire, _ = ask("claude-none", [first, script], settings=quick, stream=True)
    assert (answer.status_code, len(wire.heard)) == (200, 2)
    once = {**quick, "streaming": {"bootstrap-retries": 0}}
    answer, _, _ = ask("claude-none", [first], settings=once, stream=True)
    assert answer.status_code >= 500
    assert answer.json()["error"]["message"]


# -- upstreams that do what they were not asked for


def test_a_document_in_place_of_a_stream_is_told_as_one() -> None:
    answer, wire, _ = ask("claude", [answers(WHOLE["claude"])], stream=True)
    assert wire.heard[0].document["stream"] is True
    assert '"content":"hello"' in answer.text
    assert answer.text.endswith("data: [DONE]\n\n")


def test_a_stream_in_place_of_a_document_is_gathered() -> None:
    answer, _, _ = ask("claude", [streams(*STREAM["claude"])], CLAUDE)
    assert text_of(CLAUDE, answer) == "hello"


# -- and the dry run says so


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_a_dry_run_shows_what_is_asked_for_and_what_becomes_of_it(streamed: bool) -> None:
    provider = "claude-none" if streamed else "claude-only"
    recorded: dict[str, Any] = (
        {"answer": WHOLE["claude"]} if streamed else {"stream": b"".join(STREAM["claude"]).decode()}
    )

    async def main() -> Any:
        async with serving(
            {
                "credentials": [credential(provider, "http://127.0.0.1:9")],
                "providers": PROVIDERS,
            }
        ) as gw:
            asked = {"path": CHAT, "request": chat_request(stream=streamed), **recorded}
            return (await gw.http.post("/admin/translate", json=asked)).json()

    told = asyncio.run(main())
    assert told["request"]["stream"] is not streamed
    answer = told["answer"]
    assert answer["error"] is None
    assert answer["usage"] == {"input": 7, "output": 3}
    if streamed:
        assert '"content":"hello"' in answer["stream"]
    else:
        assert answer["body"]["choices"][0]["message"]["content"] == "hello"
