"""A dry run says what a real call does, and calls nobody."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest

from tests.gateway.harness import (
    CHAT,
    CLAUDE,
    chat_answer,
    chat_request,
    chat_stream,
    claude_answer,
    claude_request,
    claude_stream,
    credential,
    serving,
)
from tests.gateway.wire import Script, answers, streams, upstream

ASK = {CHAT: chat_request, CLAUDE: claude_request}
WHOLE = {"openai": chat_answer, "claude": claude_answer}
STREAM = {"openai": chat_stream, "claude": claude_stream}
SECRET = "very-secret"


def dry(asked: Any, **settings: Any) -> httpx.Response:
    """A dry run of a gateway whose upstream cannot be reached."""

    async def main() -> httpx.Response:
        rows = [
            credential("claude", "http://127.0.0.1:9", "one", headers={"x-own": SECRET}),
            credential("openai", "http://127.0.0.1:9", "two", models=[{"id": "up", "alias": "m"}]),
        ]
        async with serving({"credentials": rows, **settings}) as gw:
            return await gw.http.post("/admin/translate", json=asked)

    return asyncio.run(main())


def timeless(text: str) -> str:
    return re.sub(r'"created":[0-9]+', "", text)


@pytest.mark.parametrize("path", [CHAT, CLAUDE])
@pytest.mark.parametrize("provider", ["openai", "claude"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_dry_run_sends_and_answers_what_a_real_call_does(
    path: str, provider: str, streamed: bool
) -> None:
    pieces = STREAM[provider]("one ", "two")
    recorded: dict[str, Any] = (
        {"stream": b"".join(pieces).decode()} if streamed else {"answer": WHOLE[provider]("hi")}
    )
    script: Script = streams(*pieces) if streamed else answers(WHOLE[provider]("hi"))
    body = ASK[path](stream=streamed, temperature=0.5)
    rules = {"override": [{"models": [{"name": "*"}], "params": {"temperature": 0.25}}]}

    async def main() -> None:
        async with upstream(script) as wire:
            rows = [credential(provider, wire.url)]
            async with serving({"credentials": rows, "payload": rules}) as gw:
                asked = {"path": path, "request": body, **recorded}
                told = (await gw.http.post("/admin/translate", json=asked)).json()
                assert wire.heard == []
                real = await gw.http.post(path, json=body)
            (heard,) = wire.heard
            assert told["request"]["body"] == heard.document
            assert told["request"]["url"] == wire.url + heard.path
            if streamed:
                assert timeless(told["answer"]["stream"]) == timeless(real.text)
            else:
                assert {**told["answer"]["body"], "created": 0} == {**real.json(), "created": 0}

    asyncio.run(main())


def test_it_tells_candidates_losses_and_where_each_field_came_from() -> None:
    rules = {"default": [{"models": [{"name": "up"}], "params": {"seed": 7}}]}
    request = claude_request(unheard_of=1)
    answer = dry({"path": CLAUDE, "request": request, "credential": "two"}, payload=rules).json()
    assert [row["credential"] for row in answer["candidates"]] == ["one", "two"]
    assert answer["request"]["body"]["model"] == "up"
    assert [loss["path"] for loss in answer["losses"]] == ["unheard_of"]
    rows = {row["out"]: row for row in answer["explain"]}
    assert rows["max_completion_tokens"]["in"] == ["max_tokens"]
    assert rows["seed"]["rule"] == "payload.default[0]"


def test_no_secret_is_shown() -> None:
    answer = dry({"path": CLAUDE, "request": claude_request()})
    assert SECRET not in answer.text
    assert "key-one" not in answer.text
    assert answer.json()["request"]["headers"]["x-api-key"] == "[hidden]"


def test_a_recorded_error_is_told_in_the_clients_format() -> None:
    error = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}
    asked = {"path": CHAT, "request": chat_request(), "error": {"status": 429, "body": error}}
    answer = dry({**asked, "credential": "one"}).json()["answer"]
    assert (answer["status"], answer["kind"]) == (429, "rate-limit")
    assert answer["body"]["error"]["message"] == "slow down"


@pytest.mark.parametrize(
    "asked",
    [
        [],
        {},
        {"path": CHAT},
        {"path": "/v1/nothing", "request": {}},
        {"path": CHAT, "request": {}},
        {"path": CHAT, "request": {"model": 1}},
        {"path": CHAT, "request": chat_request(), "answer": {}, "stream": ""},
        {"path": CHAT, "request": chat_request(), "unknown": 1},
    ],
)
def test_what_is_no_question_is_refused_with_a_reason(asked: Any) -> None:
    answer = dry(asked)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_a_model_that_nobody_serves_has_no_candidates() -> None:
    answer = dry(
        {"path": CHAT, "request": chat_request(model="x")},
        credentials=[credential("claude", "http://127.0.0.1:9", models=[{"id": "m"}])],
    ).json()
    assert answer == {"format": "openai-chat", "candidates": []}


def test_every_fact_of_the_provider_is_told_with_the_file_or_setting_that_says_it() -> None:
    said = {"openai": {"quirks": {"max_field": "max_tokens"}, "headers": {"x-own": SECRET}}}
    asked = {"path": CHAT, "request": chat_request(max_completion_tokens=7), "credential": "two"}
    answer = dry(asked, providers=said)
    assert answer.json()["request"]["body"]["max_tokens"] == 7
    rows = {row["key"]: row for row in answer.json()["facts"]}
    assert rows["quirks.max_field"]["value"] == "max_tokens"
    assert rows["quirks.max_field"]["from"].startswith("configuration:")
    assert rows["quirks.developer_role"]["from"].startswith("providers/openai.yaml:")
    assert SECRET not in answer.text
