"""What a client loses between two turns is its own, and is there before it can ask again."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.gateway.harness import CHAT, Running, credential, serving
from tests.support.cases import sdk, sdk_answer
from tests.support.turns import first, second
from tests.support.upstream import Upstream, document

Body = dict[str, Any]

SIGNED: str = sdk("expected")["signature"]
GEMINI = [{"id": "gemini-3.8-flash", "alias": "m"}]
CLAUDE = [{"id": "claude-sonnet-5-5", "alias": "m"}]


def settings(upstream: Upstream, provider: str, **more: Any) -> Body:
    """Two clients and one credential."""
    models = GEMINI if provider == "gemini" else CLAUDE
    keys = [{"key": name, "name": name} for name in ("ann", "ben")]
    row = credential(provider, upstream.url, models=models, **more)
    return {"api-keys": keys, "credentials": [row]}


async def ask(running: Running, body: Body, key: str = "ann") -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"}
    return await running.http.post(CHAT, json={**body, "model": "m"}, headers=headers)


def sent(upstream: Upstream) -> str:
    return upstream.received[-1].body.decode()


def test_a_client_gets_nothing_back_that_another_ones_key_got(upstream: Upstream) -> None:
    async def main() -> None:
        upstream.answers(sdk_answer("claude", "answer", False))
        async with serving(settings(upstream, "claude")) as running:
            answer = (await ask(running, first("openai-chat"))).json()
            body = second("openai-chat", answer, "calls")
            await ask(running, body, "ben")
            assert SIGNED not in sent(upstream)
            await ask(running, body, "ann")
            assert SIGNED in sent(upstream)

    asyncio.run(main())


def test_a_route_that_takes_no_losses_takes_what_is_put_back(upstream: Upstream) -> None:
    strict = {"routes": [{"match": {}, "options": {"on-loss": "reject"}}]}

    async def main() -> None:
        upstream.answers(sdk_answer("gemini", "answer", False))
        async with serving({**settings(upstream, "gemini"), **strict}) as running:
            answer = (await ask(running, first("openai-chat"))).json()
            body = second("openai-chat", answer, "calls")
            assert (await ask(running, body, "ann")).status_code == 200
            told = await ask(running, body, "ben")
            assert told.status_code == 400
            assert "the signature of this call is lost" in told.json()["error"]["message"]
            assert told.json()["error"]["param"] == "messages[1].tool_calls[0].function.name"

    asyncio.run(main())


def test_signed_thinking_with_masked_words_goes_back_as_it_was_signed(upstream: Upstream) -> None:
    cloak = {"mode": "always", "sensitive-words": ["Ghent"]}

    async def main() -> None:
        upstream.answers(sdk_answer("claude", "answer", False))
        async with serving(settings(upstream, "claude", cloak=cloak)) as running:
            await ask(running, first("openai-chat"))
            mask = json.loads(sent(upstream))["messages"][0]["content"]
            mask = (mask if isinstance(mask, str) else mask[0]["text"]).split()[6]
            assert "Ghent" not in sent(upstream)
            answer = sdk("claude/answer")
            answer["content"][0]["thinking"] = f"They ask for {mask}."
            answer["content"][2]["input"]["to"] = mask
            upstream.answers(document(answer))
            told = (await ask(running, first("openai-chat"))).json()
            assert mask not in json.dumps(told)
            await ask(running, second("openai-chat", told, "calls"))
            blocks = json.loads(sent(upstream))["messages"][1]["content"]
            assert blocks[0] == answer["content"][0]
            assert blocks[2]["input"]["to"] == mask

    asyncio.run(main())


@pytest.mark.parametrize("keep", ["all", "calls"], ids=["brought back", "put back"])
def test_what_one_organisation_signed_another_is_not_sent(keep: str, upstream: Upstream) -> None:
    async def main() -> None:
        upstream.answers(sdk_answer("claude", "answer", False))
        here, there = (
            credential(
                "claude",
                upstream.url,
                name=name,
                organisation=name,
                models=[{"id": "claude-sonnet-5-5", "alias": alias}],
            )
            for name, alias in (("trains", "m"), ("trams", "n"))
        )
        configuration = {**settings(upstream, "claude"), "credentials": [here, there]}
        async with serving(configuration) as running:
            answer = (await ask(running, first("openai-chat"))).json()
            body = second("openai-chat", answer, keep)
            await ask(running, body)
            assert SIGNED in sent(upstream) and "gw1." not in sent(upstream)
            headers = {"authorization": "Bearer ann"}
            told = await running.http.post(CHAT, json={**body, "model": "n"}, headers=headers)
            assert told.status_code == 200
            assert SIGNED not in sent(upstream)
            assert told.headers["x-ai-proxy-losses"].startswith("1; messages[1]")

    asyncio.run(main())


@pytest.mark.parametrize("streams", [True, False], ids=["only-streams", "cannot-stream"])
def test_answers_told_another_way_than_they_came_are_kept_too(
    streams: bool, upstream: Upstream
) -> None:
    override = {"extends": "gemini", "streaming": "only" if streams else "none"}

    async def main() -> None:
        upstream.answers(sdk_answer("gemini", "answer", streams))
        configuration = {**settings(upstream, "gemini"), "providers": {"gemini": override}}
        async with serving(configuration) as running:
            body = {**first("openai-chat"), "stream": not streams}
            answer = await ask(running, body)
            if streams:
                body = second("openai-chat", answer.json(), "calls")
            else:
                whole = sdk_answer("openai-chat", "answer", False).body
                body = second("openai-chat", json.loads(whole.replace(b"call_r", b"fc_r")), "calls")
            await ask(running, body)
            assert SIGNED in sent(upstream)

    asyncio.run(main())
