"""Which credential, model and wire format a call gets."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from engine.errors import ConfigError
from engine.gateway import config
from engine.gateway.affinity import opening
from engine.gateway.snapshot import build
from tests.gateway.harness import (
    chat_answer,
    chat_request,
    claude_answer,
    claude_request,
    claude_stream,
    credential,
    serving,
    translator,
)
from tests.gateway.wire import Heard, Script, Wire, answers, hangs, streams, upstream

OK = answers(claude_answer())
BROKEN = answers({"type": "error", "error": {"type": "api_error", "message": "no"}}, 500)


def users(wire: Wire) -> str:
    """The credentials that were used, in order."""
    return "".join(heard.headers["x-api-key"].removeprefix("key-") for heard in wire.heard)


def conversation(*texts: str, **more: Any) -> dict[str, Any]:
    roles = ("user", "assistant")
    messages = [{"role": roles[at % 2], "content": text} for at, text in enumerate(texts)]
    return claude_request(messages=messages, **more)


# -- affinity


def run(bodies: list[dict[str, Any]], names: str = "ab", **settings: Any) -> str:
    async def main() -> str:
        async with upstream(OK) as wire:
            rows = [credential("claude", wire.url, name) for name in names]
            async with serving({"credentials": rows, **settings}) as gw:
                for body in bodies:
                    assert (await gw.http.post("/v1/messages", json=body)).status_code == 200
            return users(wire)

    return asyncio.run(main())


def test_a_conversation_stays_with_the_credential_that_began_it() -> None:
    one, two = ("one", "yes", "more"), ("two", "yes", "more")
    bodies = [conversation(text) for text in ("one", "two")]
    bodies += [conversation(*two), conversation(*one), conversation(*one), conversation(*two)]
    assert run(bodies) == "abbaab"


def test_without_affinity_every_request_takes_its_turn() -> None:
    bodies = [conversation("one"), *[conversation("one", "yes", "more")] * 3]
    assert run(bodies, routing={"affinity": "none"}) == "abab"


def test_an_unknown_conversation_takes_its_turn_and_stays_there() -> None:
    bodies = [conversation("other"), *[conversation("one", "yes", "more")] * 3]
    assert run(bodies) == "abbb"


def test_cache_marks_and_the_answer_do_not_change_where_a_conversation_began() -> None:
    facts = translator().formats["claude"].affinity
    block = {"type": "text", "text": "hi"}
    marked = {**block, "cache_control": {"type": "ephemeral"}}
    first = opening(claude_request(messages=[{"role": "user", "content": [marked]}]), facts)
    turns = [{"role": "user", "content": [block]}, {"role": "assistant", "content": "a"}]
    later = opening(claude_request(messages=turns), facts)
    assert first is not None and later is not None
    assert (first[0], first[1], later[1]) == (later[0], False, True)


@pytest.mark.parametrize("changed", [{"system": "x"}, {"tools": [{"name": "t"}]}])
def test_another_prompt_is_another_conversation(changed: dict[str, Any]) -> None:
    facts = translator().formats["claude"].affinity
    assert opening(claude_request(), facts) != opening(claude_request(**changed), facts)


# -- models that a request names


def test_the_models_of_a_request_are_tried_in_turn_and_go_to_no_upstream() -> None:
    async def main() -> None:
        async with upstream(BROKEN, OK) as wire:
            rows = [credential("claude", wire.url, name, models=[{"id": name}]) for name in "ab"]
            async with serving({"credentials": rows}) as gw:
                answer = await gw.claude(model="a", models=["a", "unknown", "b"])
                assert answer.status_code == 200, answer.text
                assert "x-ai-proxy-losses" not in answer.headers
            assert [heard.document["model"] for heard in wire.heard] == ["a", "b"]
            assert not any("models" in heard.document for heard in wire.heard)

    asyncio.run(main())


def test_models_alone_are_enough() -> None:
    async def main() -> None:
        async with upstream(answers(chat_answer())) as wire:
            rows = [credential("openai", wire.url)]
            body = {**chat_request(), "models": ["a", "b"]}
            del body["model"]
            async with serving({"credentials": rows}) as gw:
                answer = await gw.http.post("/v1/chat/completions", json=body)
                assert answer.status_code == 200
            assert wire.heard[0].document["model"] == "a"

    asyncio.run(main())


@pytest.mark.parametrize("models", ["a", [], [1], [""], ["a"] * 11, {}])
def test_what_is_no_list_of_models_is_refused(models: Any) -> None:
    async def main() -> httpx.Response:
        async with serving({"credentials": [{"provider": "demo"}]}) as gw:
            return await gw.claude(models=models)

    answer = asyncio.run(main())
    assert answer.status_code == 400
    assert "models" in answer.json()["error"]["message"]


# -- wire formats


RESPONSES: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "model": "m",
    "output": [],
}


def ask_responses(**row: Any) -> Heard:
    async def main() -> Heard:
        both = answers(chat_answer()) if row else answers(RESPONSES)
        async with upstream(both) as wire:
            async with serving({"credentials": [credential("openai", wire.url, **row)]}) as gw:
                answer = await gw.http.post("/v1/responses", json={"model": "m", "input": "hi"})
                assert answer.status_code == 200, answer.text
            return wire.heard[0]

    return asyncio.run(main())


def test_trap_04_a_provider_with_several_wires_is_spoken_to_in_the_clients_own() -> None:
    heard = ask_responses()
    assert heard.path == "/v1/responses"
    assert heard.document["input"] == "hi"
    assert heard.headers["authorization"] == "Bearer key-openai"


@pytest.mark.parametrize("name", ["chat", "openai-chat"])
def test_a_credential_may_be_held_to_one_wire(name: str) -> None:
    heard = ask_responses(**{"wire-api": name})
    assert heard.path == "/v1/chat/completions"


def test_a_wire_that_the_provider_has_not_is_an_error() -> None:
    text = "credentials: [{ provider: openai, api-key: k, wire-api: claude }]"
    with pytest.raises(ConfigError, match="wire-api is one of openai-chat, openai-responses"):
        build(config.parse(text, {}), translator=translator(), environ={})


def test_a_wire_has_the_address_that_its_provider_gives_it() -> None:
    def urls(**row: str) -> dict[str, str]:
        rows = [{"provider": "moonshot", "api-key": "k", **row}]
        settings = config.parse(json.dumps({"credentials": rows}), {})
        made = build(settings, translator=translator(), environ={})
        return dict(made.router.credentials[0].base_urls)

    usual, second = "https://api.moonshot.ai/v1", "https://api.moonshot.ai/anthropic"
    assert urls() == {"openai-chat": usual, "claude": second}
    own = "http://own.example/v1"
    assert urls(**{"base-url": own}) == {"openai-chat": own}


# -- optional features


@pytest.mark.parametrize(
    ("betas", "sent"),
    [(None, "own-1,new-1,other-2"), (["new-*"], "own-1,new-1"), ([], "own-1")],
)
def test_the_betas_that_clients_may_ask_for_are_merged_with_the_operators(
    betas: list[str] | None, sent: str
) -> None:
    name = translator().formats["claude"].headers["betas"]

    async def main() -> None:
        async with upstream(OK) as wire:
            row = credential("claude", wire.url, headers={name: "own-1"})
            row |= {} if betas is None else {"betas": betas}
            async with serving({"credentials": [row]}) as gw:
                asked = {name: "new-1, other-2,new-1, b\u00e4d"}
                headers = [(key.encode(), value.encode("latin-1")) for key, value in asked.items()]
                body = claude_request()
                answer = await gw.http.post("/v1/messages", json=body, headers=headers)
                assert answer.status_code == 200
            assert wire.heard[0].headers[name] == sent

    asyncio.run(main())


# -- calls at once


def held(release: asyncio.Event, seen: list[int]) -> Script:
    """Answers when released; notes how many calls are under way."""
    running = 0

    async def script(heard: Heard, writer: asyncio.StreamWriter) -> None:
        nonlocal running
        running += 1
        seen.append(running)
        await release.wait()
        running -= 1
        await OK(heard, writer)

    return script


def limited(url: str, name: str, most: int, queue: int = 10) -> dict[str, Any]:
    """A credential with a number of calls at once."""
    return {**credential("claude", url, name), "max-concurrent": most, "max-queue": queue}


async def until(condition: Any) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def test_a_credential_has_no_more_calls_at_once_than_allowed_and_all_are_answered() -> None:
    async def main() -> None:
        release, seen = asyncio.Event(), list[int]()
        async with upstream(held(release, seen)) as wire:
            rows = [limited(wire.url, "l", 2)]
            async with serving({"credentials": rows}) as gw:
                asking = [asyncio.ensure_future(gw.claude()) for _ in range(5)]
                await until(lambda: gw.gateway.dispatcher.gates.waiting == 3 and len(seen) == 2)
                release.set()
                got = await asyncio.gather(*asking)
                assert {answer.status_code for answer in got} == {200}
                assert max(seen) == 2

    asyncio.run(main())


def test_beyond_the_queue_a_call_is_refused_with_a_wait() -> None:
    async def main() -> None:
        release, seen = asyncio.Event(), list[int]()
        async with upstream(held(release, seen)) as wire:
            rows = [limited(wire.url, "l", 1, 0)]
            async with serving({"credentials": rows}) as gw:
                first = asyncio.ensure_future(gw.claude())
                await until(lambda: seen)
                refused = await gw.claude()
                assert (refused.status_code, refused.headers["retry-after"]) == (529, "1")
                assert refused.headers["x-should-retry"] == "false"
                release.set()
                assert (await first).status_code == 200
                assert (await gw.claude()).status_code == 200

    asyncio.run(main())


def test_a_credential_with_a_free_place_goes_before_one_that_is_full() -> None:
    async def main() -> None:
        async with upstream(hangs()) as slow, upstream(OK) as quick:
            rows = [
                limited(slow.url, "s", 1),
                credential("claude", quick.url, "q"),
            ]
            routing = {"strategy": "fill-first"}
            async with serving({"credentials": rows, "routing": routing}) as gw:
                first = asyncio.ensure_future(gw.claude())
                await until(lambda: slow.heard)
                assert (await gw.claude()).status_code == 200
                assert len(quick.heard) == 1
                first.cancel()
                await asyncio.gather(first, return_exceptions=True)

    asyncio.run(main())


def test_a_client_that_leaves_gives_its_place_back() -> None:
    async def main() -> None:
        pieces = claude_stream("hello")
        endless, whole = streams(*pieces[:3], hang=True), streams(*pieces)
        async with upstream(endless, whole) as wire:
            rows = [limited(wire.url, "l", 1)]
            async with serving({"credentials": rows}) as gw:
                body = claude_request(stream=True)
                async with gw.http.stream("POST", "/v1/messages", json=body) as answer:
                    await anext(answer.aiter_bytes())
                assert (await gw.claude(stream=True)).status_code == 200

    asyncio.run(main())


# -- where the key goes


def test_a_key_that_goes_into_the_address_is_there_and_nowhere_else() -> None:
    auth = {"query": "key"}
    providers = {"odd": {"extends": "claude", "auth": auth}}
    secret = "s3cret/&"

    async def main() -> None:
        async with upstream(OK) as wire:
            row = {"provider": "odd", "api-key": secret, "base-url": wire.url}
            async with serving({"providers": providers, "credentials": [row]}) as gw:
                assert (await gw.claude()).status_code == 200
                asked = {"path": "/v1/messages", "request": claude_request()}
                dry = await gw.http.post("/admin/translate", json=asked)
                assert secret not in dry.text
                assert "key=" not in dry.text
            heard = wire.heard[0]
            assert heard.path == "/v1/messages?key=s3cret%2F%26"
            assert not any(secret in value for value in heard.headers.values())

    asyncio.run(main())
