"""Bytes that pass through: the edits that are allowed, and no others."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.gateway.harness import (
    CHAT,
    DONE,
    Running,
    chat_answer,
    chat_request,
    chat_stream,
    chunk,
    claude_request,
    credential,
    serving,
    translator,
)
from tests.gateway.wire import Heard, answers, streams, upstream

COUNTS = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
USAGE = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": []}
USAGE_EVENT = b"data: %b\n\n" % json.dumps({**USAGE, "usage": COUNTS}).encode()
TEXT = [chunk({"content": "a [DONE] b"}), chunk({}, "stop")]


def ask(
    *pieces: bytes, raw: bytes | None = None, provider: str = "openai", **more: Any
) -> tuple[httpx.Response, Heard, Running]:
    async def main() -> tuple[httpx.Response, Heard, Running]:
        async with upstream(streams(*pieces)) as wire:
            async with serving({"credentials": [credential(provider, wire.url)]}) as gw:
                body = raw or json.dumps(chat_request(stream=True, **more)).encode()
                answer = await gw.http.post(CHAT, content=body)
                return answer, wire.heard[0], gw

    return asyncio.run(main())


@pytest.mark.parametrize("cut", [1, 7, 10_000])
def test_counts_are_asked_for_on_the_clients_behalf_and_kept_from_it(cut: int) -> None:
    whole = b"".join((*TEXT, USAGE_EVENT, DONE))
    pieces = [whole[at : at + cut] for at in range(0, len(whole), cut)]
    raw = b'{"model": "m",\n "stream": true, "messages": [{"role":"user","content":"hi"}] }\n'
    answer, heard, gw = ask(*pieces, raw=raw)
    asked = b',"stream_options":{"include_usage":true}}'
    assert heard.body == raw.rstrip()[:-1] + asked
    assert answer.content == b"".join((*TEXT, DONE))
    counted = gw.gateway.metrics.document()
    assert (counted["total_input_tokens"], counted["total_output_tokens"]) == (7, 3)


def test_a_client_that_asks_for_them_gets_them_byte_for_byte() -> None:
    options = {"include_usage": True}
    raw = json.dumps(chat_request(stream=True, stream_options=options)).encode()
    answer, heard, _ = ask(*TEXT, USAGE_EVENT, DONE, raw=raw)
    assert heard.body == raw
    assert answer.content == b"".join((*TEXT, USAGE_EVENT, DONE))


def test_what_a_client_says_beside_it_stays() -> None:
    _, heard, _ = ask(*TEXT, DONE, stream_options={"include_obfuscation": False})
    options = {"include_obfuscation": False, "include_usage": True}
    assert heard.document == chat_request(stream=True, stream_options=options)
    _, heard, _ = ask(*TEXT, DONE, stream_options={"include_usage": False})
    assert heard.document["stream_options"] == {"include_usage": True}


def test_counts_that_come_with_a_choice_are_shown() -> None:
    body = json.loads(chunk({}, "stop").removeprefix(b"data: "))
    last = b"data: %b\n\n" % json.dumps({**body, "usage": COUNTS}).encode()
    answer, _, gw = ask(TEXT[0], last, DONE)
    assert answer.content == b"".join((TEXT[0], last, DONE))
    assert gw.gateway.metrics.document()["total_output_tokens"] == 3


def test_a_whole_answer_is_asked_for_as_the_client_wrote_it() -> None:
    async def main() -> None:
        async with upstream(streams(*TEXT, DONE)) as wire:
            async with serving({"credentials": [credential("openai", wire.url)]}) as gw:
                raw = json.dumps(chat_request()).encode()
                await gw.http.post(CHAT, content=raw)
            assert wire.heard[0].body == raw

    asyncio.run(main())


@pytest.mark.parametrize("last", [(USAGE_EVENT,), (USAGE_EVENT[:-2],), ()])
def test_a_missing_terminal_event_is_added(last: tuple[bytes, ...]) -> None:
    answer, _, _ = ask(*TEXT, *last)
    assert answer.content == b"".join((*TEXT, DONE))


def test_the_terminal_event_of_the_upstream_comes_once() -> None:
    options = {"include_usage": True}
    answer, _, _ = ask(*TEXT, USAGE_EVENT + DONE, stream_options=options)
    assert answer.content == b"".join((*TEXT, USAGE_EVENT, DONE))


def test_a_dry_run_shows_what_is_asked_on_the_clients_behalf() -> None:
    async def main() -> Any:
        async with serving({"credentials": [credential("openai", "http://127.0.0.1:9")]}) as gw:
            recorded = b"".join((*TEXT, USAGE_EVENT, DONE)).decode()
            asked = {"path": CHAT, "request": chat_request(stream=True), "stream": recorded}
            return (await gw.http.post("/admin/translate", json=asked)).json()

    told = asyncio.run(main())
    assert told["request"]["body"]["stream_options"] == {"include_usage": True}
    assert told["explain"] == [
        {
            "out": "stream_options.include_usage",
            "in": [],
            "rule": "usage-on-request",
            "how": "supply",
        }
    ]
    assert told["answer"]["stream"] == b"".join((*TEXT, DONE)).decode()
    assert told["answer"]["usage"] == {"input": 7, "output": 3}


def test_formats_that_always_tell_their_counts_are_left_alone() -> None:
    async def main() -> None:
        async with upstream(streams(b"event: x\ndata: {}\n\n")) as wire:
            async with serving({"credentials": [credential("claude", wire.url)]}) as gw:
                raw = json.dumps(claude_request(stream=True)).encode()
                await gw.http.post("/v1/messages", content=raw)
            assert wire.heard[0].body == raw

    asyncio.run(main())
    assert [name for name, side in translator().formats.items() if side.usage_on_request] == [
        "openai-chat"
    ]


@pytest.mark.parametrize("model", ["ours", "theirs"], ids=["same-format", "other-format"])
def test_an_alias_in_the_path_is_the_name_that_answers_tell(model: str) -> None:
    part = {"content": {"role": "model", "parts": [{"text": "up"}]}, "finishReason": "STOP"}
    told = {"candidates": [part], "modelVersion": "up", "responseId": "r"}
    frame = b"data: %b\r\n\r\n" % json.dumps(told).encode()
    body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}

    async def main() -> None:
        async with (
            upstream(answers(told), streams(frame)) as own,
            upstream(
                answers(chat_answer(model="up")), streams(*chat_stream("a", model="up"))
            ) as chat,
        ):
            rows = [
                credential("gemini", own.url, models=[{"id": "up", "alias": "ours"}]),
                credential("openai", chat.url, models=[{"id": "up", "alias": "theirs"}]),
            ]
            async with serving({"credentials": rows}) as gw:
                path = f"/v1beta/models/{model}"
                whole = await gw.http.post(f"{path}:generateContent", json=body)
                assert whole.json()["modelVersion"] == model
                stream = await gw.http.post(f"{path}:streamGenerateContent?alt=sse", json=body)
                assert f'"{model}"' in stream.text
                assert '"modelVersion": "up"' not in stream.text
                assert '"modelVersion":"up"' not in stream.text
            if model == "ours":
                # nothing else is touched
                assert whole.json() == {**told, "modelVersion": "ours"}
                assert stream.content == frame.replace(b'n": "up"', b'n": "ours"')
                assert own.heard[0].path == "/v1beta/models/up:generateContent"

    asyncio.run(main())


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_model_of_another_collection_is_asked_there(stream: bool) -> None:
    part = {"content": {"role": "model", "parts": [{"text": "up"}]}, "finishReason": "STOP"}
    told = {"candidates": [part], "modelVersion": "tunedModels/mine", "responseId": "r"}
    script = streams(b"data: %b\r\n\r\n" % json.dumps(told).encode()) if stream else answers(told)
    body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    call = "streamGenerateContent?alt=sse" if stream else "generateContent"

    async def main() -> None:
        async with upstream(script) as wire:
            models = [{"id": "tunedModels/mine", "alias": "short"}, {"id": "tunedModels/mine"}]
            rows = [credential("gemini", wire.url, models=models)]
            async with serving({"credentials": rows}) as gw:
                for asked in ("tunedModels/mine", "models/short"):
                    answer = await gw.http.post(f"/v1beta/{asked}:{call}", json=body)
                    assert answer.status_code == 200
                chat = await gw.chat(model="tunedModels/mine", stream=stream)
                assert chat.status_code == 200
                missing = await gw.http.post(f"/v1beta/otherModels/mine:{call}", json=body)
                assert missing.status_code == 404
            assert {heard.path for heard in wire.heard} == {f"/v1beta/tunedModels/mine:{call}"}

    asyncio.run(main())
