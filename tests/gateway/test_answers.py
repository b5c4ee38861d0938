"""Both client formats over both upstream formats, whole and streamed, through real sockets."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.gateway import harness
from tests.gateway.harness import CHAT, CLAUDE, credential, serving
from tests.gateway.wire import EVENT_STREAM, Wire, answers, says, streams, upstream

PROVIDERS = {"openai-chat": "openai", "claude": "claude"}
WHOLE = {"openai-chat": harness.chat_answer, "claude": harness.claude_answer}
STREAM = {"openai-chat": harness.chat_stream, "claude": harness.claude_stream}
ASK = {"openai-chat": harness.chat_request, "claude": harness.claude_request}
PATH = {"openai-chat": CHAT, "claude": CLAUDE}

pairs = pytest.mark.parametrize("target", PROVIDERS)
clients = pytest.mark.parametrize("source", PATH)


def text_of(source: str, body: dict[str, Any]) -> str:
    if source == "claude":
        return "".join(block["text"] for block in body["content"])
    return str(body["choices"][0]["message"]["content"])


def streamed_text(source: str, raw: str) -> str:
    events = [json.loads(line[6:]) for line in raw.splitlines() if line.startswith("data: {")]
    if source == "claude":
        deltas = [e["delta"] for e in events if e["type"] == "content_block_delta"]
        return "".join(delta["text"] for delta in deltas)
    return "".join(e["choices"][0]["delta"].get("content") or "" for e in events if e["choices"])


@clients
@pairs
def test_a_whole_answer_arrives_in_the_clients_format(source: str, target: str) -> None:
    async def main() -> None:
        models = [{"id": "upstream-name", "alias": "m"}]
        async with (
            upstream(answers(WHOLE[target]("grüß dich", "upstream-name"))) as wire,
            serving(
                {"credentials": [credential(PROVIDERS[target], wire.url, models=models)]}
            ) as gw,
        ):
            answer = await gw.http.post(PATH[source], json=ASK[source]("hi"))
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-type"] == "application/json"
            assert text_of(source, answer.json()) == "grüß dich"
            check_call(wire, target, "upstream-name", answer.headers["x-request-id"])

    asyncio.run(main())


def test_a_client_with_the_model_in_its_path_is_answered_under_the_name_it_asked_for() -> None:
    async def main() -> None:
        models = [{"id": "upstream-name", "alias": "m"}]
        async with (
            upstream(answers(harness.chat_answer("hi", "upstream-name"))) as wire,
            serving({"credentials": [credential("openai", wire.url, models=models)]}) as gw,
        ):
            body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
            answer = await gw.http.post("/v1beta/models/m:generateContent", json=body)
            assert answer.status_code == 200, answer.text
            assert answer.json()["modelVersion"] == "m"

    asyncio.run(main())


def check_call(wire: Wire, target: str, model: str, request_id: str) -> None:
    """The upstream was called as its format wants it, with the gateway's own key."""
    (heard,) = wire.heard
    assert heard.path == PATH[target]
    assert heard.document["model"] == model
    assert heard.headers["x-request-id"] == request_id
    assert heard.headers["user-agent"].startswith("ai-proxy/")
    if target == "claude":
        assert heard.headers["x-api-key"] == "key-claude"
        assert heard.headers["anthropic-version"]
    else:
        assert heard.headers["authorization"] == "Bearer key-openai"


@clients
@pairs
def test_a_stream_arrives_in_the_clients_format_event_by_event(source: str, target: str) -> None:
    async def main() -> None:
        pieces = STREAM[target]("one ", "two ", "three")
        async with (
            upstream(streams(*pieces, pause=0.01)) as wire,
            serving({"credentials": [credential(PROVIDERS[target], wire.url)]}) as gw,
        ):
            reads, raw = 0, ""
            body = ASK[source]("hi", stream=True)
            async with gw.http.stream("POST", PATH[source], json=body) as answer:
                assert answer.status_code == 200
                assert answer.headers["content-type"].startswith(EVENT_STREAM)
                async for data in answer.aiter_text():
                    reads, raw = reads + 1, raw + data
            assert streamed_text(source, raw) == "one two three"
            assert reads > 3
            assert raw.rstrip().endswith("}" if source == "claude" else "data: [DONE]")

    asyncio.run(main())


@clients
def test_the_same_format_passes_bytes_through_untouched(source: str) -> None:
    asked = json.dumps(ASK[source]("hi", future_field={"n": 1.0}), indent=3).encode()
    said = json.dumps({**WHOLE[source](), "future_field": 12345678901234567890123}, indent=1)

    async def main() -> None:
        async with (
            upstream(answers(None, raw=said.encode())) as wire,
            serving({"credentials": [credential(PROVIDERS[source], wire.url)]}) as gw,
        ):
            answer = await gw.http.post(PATH[source], content=asked)
            assert wire.heard[0].body == asked
            assert answer.content == said.encode()

    asyncio.run(main())


@clients
def test_the_same_format_streams_bytes_through_untouched(source: str) -> None:
    pieces = STREAM[source]("one ", "two")
    pieces.insert(2, b": a comment\n\n")
    whole = b"".join(pieces)

    async def main() -> None:
        cut = [whole[at : at + 7] for at in range(0, len(whole), 7)]
        async with (
            upstream(streams(*cut)) as wire,
            serving({"credentials": [credential(PROVIDERS[source], wire.url)]}) as gw,
        ):
            answer = await gw.http.post(PATH[source], json=ASK[source]("hi", stream=True))
            assert answer.content == whole

    asyncio.run(main())


@clients
def test_an_alias_is_the_only_thing_a_pass_through_changes(source: str) -> None:
    models = [{"id": "upstream-name", "alias": "m"}]
    asked = json.dumps(ASK[source]('say "model": "m"'), indent=3).encode()
    stream_asked = json.dumps(ASK[source]("hi", stream=True)).encode()
    pieces = b"".join(STREAM[source]("one", model="upstream-name"))

    async def main() -> None:
        async with (
            upstream(answers(WHOLE[source]("hello", "upstream-name")), streams(pieces)) as wire,
            serving(
                {"credentials": [credential(PROVIDERS[source], wire.url, models=models)]}
            ) as gw,
        ):
            whole = await gw.http.post(PATH[source], content=asked)
            assert wire.heard[0].body == asked.replace(b'"m",', b'"upstream-name",', 1)
            assert whole.json() == WHOLE[source]("hello", "m")
            stream = await gw.http.post(PATH[source], content=stream_asked)
            assert stream.content == pieces.replace(b"upstream-name", b"m")

    asyncio.run(main())


@clients
def test_losses_are_told_in_a_bounded_header(source: str) -> None:
    target = "claude" if source == "openai-chat" else "openai-chat"
    unknown: dict[str, Any] = {f"never-heard-of-{n}": n for n in range(40)}

    async def main() -> None:
        async with (
            upstream(answers(WHOLE[target]())) as wire,
            serving({"credentials": [credential(PROVIDERS[target], wire.url)]}) as gw,
        ):
            answer = await gw.http.post(PATH[source], json=ASK[source]("hi", **unknown))
            header = answer.headers["x-ai-proxy-losses"]
            assert header.startswith("40; never-heard-of-0, ")
            assert header.count(",") == 9
            assert len(header) <= 512

    asyncio.run(main())


@clients
def test_debug_headers_come_to_those_who_ask(source: str) -> None:
    async def main() -> None:
        async with (
            upstream(
                answers(WHOLE[source](), headers={"request-id": "up-1", "x-region": "r"})
            ) as wire,
            serving(
                {
                    "credentials": [credential(PROVIDERS[source], wire.url)],
                    "passthrough-headers": ["X-Region"],
                }
            ) as gw,
        ):
            plain = await gw.http.post(PATH[source], json=ASK[source]())
            assert not [name for name in plain.headers if name.startswith("x-ai-proxy-")]
            assert plain.headers["x-region"] == "r"
            debug = {"x-debug": "true"}
            answer = await gw.http.post(PATH[source], json=ASK[source](), headers=debug)
            told = {k: v for k, v in answer.headers.items() if k.startswith("x-ai-proxy-")}
            assert told == {
                "x-ai-proxy-provider": PROVIDERS[source],
                "x-ai-proxy-credential": PROVIDERS[source],
                "x-ai-proxy-model": "m",
                "x-ai-proxy-attempts": "1",
                "x-ai-proxy-upstream-request-id": "up-1",
            }

    asyncio.run(main())


@pytest.mark.parametrize("same", [True, False], ids=["same-format", "other-format"])
def test_streams_bear_the_same_headers(same: bool) -> None:
    pieces = harness.claude_stream("a") if same else harness.chat_stream("a")
    lines = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-region: r\r\nx-secret: s\r\n"
        b"request-id: up-1\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)

    async def main() -> None:
        provider = "claude" if same else "openai"
        async with upstream(says(lines + body + b"0\r\n\r\n")) as wire:
            settings = {
                "credentials": [credential(provider, wire.url)],
                "passthrough-headers": ["X-Region"],
            }
            async with serving(settings) as gw:
                asked = harness.claude_request(stream=True, top_k=5)
                answer = await gw.http.post(CLAUDE, json=asked, headers={"x-debug": "true"})
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["x-region"] == "r"
        assert "x-secret" not in answer.headers
        assert answer.headers["x-ai-proxy-provider"] == provider
        assert answer.headers["x-ai-proxy-upstream-request-id"] == "up-1"
        assert answer.headers.get("x-ai-proxy-losses") == (None if same else "1; top_k")
        assert answer.headers["request-id"] == answer.headers["x-request-id"]

    asyncio.run(main())


def test_trap_13_the_clients_betas_reach_an_upstream_of_its_own_format() -> None:
    betas = {b"anthropic-beta": "one-2026, two-2026,one-2026, b\u00e4d".encode()}

    async def main(provider: str, answer: dict[str, Any], **more: Any) -> str | None:
        async with (
            upstream(answers(answer)) as wire,
            serving({"credentials": [credential(provider, wire.url, **more)]}) as gw,
        ):
            body = harness.claude_request()
            await gw.http.post(CLAUDE, json=body, headers=betas)
            return wire.heard[0].headers.get("anthropic-beta")

    assert asyncio.run(main("claude", harness.claude_answer())) == "one-2026,two-2026"
    more = {"headers": {"Anthropic-Beta": "own-2026"}}
    assert asyncio.run(main("claude", harness.claude_answer(), **more)) == (
        "own-2026,one-2026,two-2026"
    )
    assert asyncio.run(main("openai", harness.chat_answer())) is None


def test_the_ids_own_name_is_there_for_clients_that_want_it() -> None:
    async def main() -> None:
        async with serving({"credentials": [{"provider": "demo"}]}) as gw:
            answer = await gw.claude(model="demo")
            assert answer.headers["request-id"] == answer.headers["x-request-id"]
            assert "request-id" not in (await gw.chat(model="demo")).headers

    asyncio.run(main())


@clients
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_the_demo_answers_without_any_key(source: str, streamed: bool) -> None:
    async def main() -> None:
        async with serving({"credentials": [{"provider": "demo"}]}) as gw:
            body = ASK[source]("is anybody there", model="demo", stream=streamed)
            answer = await gw.http.post(PATH[source], json=body)
            read = (
                streamed_text(source, answer.text) if streamed else text_of(source, answer.json())
            )
            assert "is anybody there" in read

    asyncio.run(main())


def test_the_demo_calls_a_tool_and_thinks_when_asked() -> None:
    tool = {
        "name": "weather",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
    more: dict[str, Any] = {"tools": [tool], "tool_choice": {"type": "any"}, "max_tokens": 4096}

    async def main() -> None:
        async with serving({"credentials": [{"provider": "demo"}]}) as gw:
            called = (await gw.claude(model="demo", **more)).json()
            assert called["stop_reason"] == "tool_use"
            (block,) = [b for b in called["content"] if b["type"] == "tool_use"]
            assert (block["name"], block["input"]) == ("weather", {"city": "demo"})
            thinking = {"type": "enabled", "budget_tokens": 2048}
            thought = (await gw.claude(model="demo", max_tokens=4096, thinking=thinking)).json()
            assert [b["type"] for b in thought["content"]] == ["thinking", "text"]

    asyncio.run(main())
