"""A request goes where it gets what it asks for, and is refused with reasons only when nobody has
it."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.gateway.harness import (
    chat_answer,
    chat_request,
    claude_answer,
    claude_request,
    credential,
    serving,
)
from tests.gateway.wire import Wire, answers, upstream

CHOOSY: dict[str, Any] = {"routing": {"by-capability": True}}
HELP = (
    "nothing may be lost here: leave these fields out, name another model, or have the operator "
    "allow losses (on-loss: report, by-capability: false)"
)
STRICT: dict[str, Any] = {"routes": [{"options": {"on-loss": "reject"}}]}
MILD: dict[str, Any] = {"routes": [{"options": {"on-loss": "avoid"}}]}
PIXEL = {"type": "base64", "media_type": "image/png", "data": "aGk="}
PAPER = {"type": "base64", "media_type": "application/pdf", "data": "aGk="}
TOOL = {"name": "f", "input_schema": {"type": "object"}}


def said(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


ASKING: dict[str, dict[str, Any]] = {
    "tools": {"tools": [TOOL]},
    "images": said({"type": "image", "source": PIXEL}),
    "pdf": said({"type": "document", "source": PAPER}),
    "thinking": {"max_tokens": 4096, "thinking": {"type": "enabled", "budget_tokens": 1024}},
    "json_schema": {
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}
    },
    "streaming": {"stream": True},
}
PLACES = {
    "tools": "tools",
    "images": "messages[0].content[0]",
    "pdf": "messages[0].content[0]",
    "thinking": "thinking",
    "json_schema": "output_config.format",
    "streaming": "stream",
}


def lacking(name: str, **more: Any) -> dict[str, Any]:
    """The providers of a configuration: `poor` is Claude without something."""
    said = {"streaming": "none"} if name == "streaming" else {"limits": {name: False}}
    return {"providers": {"poor": {"extends": "claude", **said, **more}}}


async def ask(settings: dict[str, Any], body: dict[str, Any], *wires: Wire) -> httpx.Response:
    rows = [credential("poor", wires[0].url), credential("claude", wires[-1].url)][: len(wires)]
    async with serving({**settings, "credentials": rows}) as gw:
        return await gw.http.post("/v1/messages", json=body)


@pytest.mark.parametrize("mode", [CHOOSY, STRICT, MILD], ids=["by-capability", "reject", "avoid"])
@pytest.mark.parametrize("name", sorted(ASKING))
def test_a_request_goes_past_those_who_lack_what_it_asks_for(
    name: str, mode: dict[str, Any]
) -> None:
    async def main() -> None:
        async with upstream(answers(claude_answer())) as poor, upstream(OK) as rich:
            settings = {**lacking(name), **mode}
            body = claude_request(**ASKING[name])
            await ask(settings, body, poor, rich)
            assert (len(poor.heard), len(rich.heard)) == (0, 1)
            alone = await ask(settings, body, poor)
            assert (alone.status_code, len(poor.heard)) == (400, 0)
            message = alone.json()["error"]["message"]
            assert message.startswith(f"{PLACES[name]}") and ": m " in message
            plain = await ask(settings, claude_request(), poor)
            assert (plain.status_code, len(poor.heard)) == (200, 1)

    OK = answers(claude_answer())
    asyncio.run(main())


def test_without_either_a_request_goes_to_whose_turn_it_is() -> None:
    async def main() -> None:
        async with upstream(answers(claude_answer())) as poor:
            answer = await ask(lacking("images"), claude_request(**ASKING["images"]), poor)
            assert (answer.status_code, len(poor.heard)) == (200, 1)

    asyncio.run(main())


def test_what_holds_for_one_model_is_known_of_it_alone() -> None:
    rows = {"limits": {}, "models": [{"match": "blind-*", "limits": {"images": False}}]}

    async def main() -> None:
        async with upstream(answers(claude_answer())) as poor:
            settings = {**lacking("images", **rows), **CHOOSY}
            body = claude_request(**ASKING["images"])
            statuses = [
                (await ask(settings, {**body, "model": model}, poor)).status_code
                for model in ("blind-1", "seeing-1")
            ]
            assert statuses == [400, 200]

    asyncio.run(main())


def test_each_candidates_reason_is_told_when_all_refuse() -> None:
    providers = {
        "deaf": {"extends": "openai-compatible", "limits": {"images": False}},
        "plain": {"extends": "openai-compatible", "limits": {"tools": False}},
    }

    async def main() -> httpx.Response:
        async with upstream(answers(chat_answer())) as wire:
            rows = [
                credential(name, wire.url, models=[{"id": f"{name}-1", "alias": "m"}])
                for name in providers
            ]
            body = claude_request(tools=[TOOL], **ASKING["images"])
            async with serving({"providers": providers, "credentials": rows, **CHOOSY}) as gw:
                answer = await gw.http.post("/v1/messages", json=body)
            assert wire.heard == []
            return answer

    answer = asyncio.run(main())
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == (
        "messages[0].content[0]: deaf-1 takes no images; tools[0]: plain-1 takes no tools"
    )


def choice(settings: dict[str, Any], body: dict[str, Any]) -> tuple[int, int, int]:
    """The status, and how often a server without seeds and one with them were called."""

    async def main() -> tuple[int, int, int]:
        async with upstream(answers(claude_answer())) as one, upstream(answers(CHAT)) as two:
            rows = [credential("claude", one.url), credential("openai", two.url)]
            async with serving({**settings, "credentials": rows}) as gw:
                answer = await gw.http.post("/v1/chat/completions", json=body)
            return answer.status_code, len(one.heard), len(two.heard)

    CHAT = chat_answer()
    return asyncio.run(main())


@pytest.mark.parametrize("mode", [CHOOSY, STRICT, MILD], ids=["by-capability", "reject", "avoid"])
def test_a_request_goes_where_nothing_of_it_is_lost(mode: dict[str, Any]) -> None:
    assert choice(mode, chat_request(seed=7)) == (200, 0, 1)
    assert choice({}, chat_request(seed=7)) == (200, 1, 0)
    assert choice(mode, chat_request()) == (200, 1, 0)


async def lossy(settings: dict[str, Any], *wires: tuple[str, Wire], **more: Any) -> httpx.Response:
    """The answer to a chat request with a seed, of these providers."""
    rows = [credential(name, wire.url) for name, wire in wires]
    async with serving({"credentials": rows, **settings}) as gw:
        return await gw.http.post("/v1/chat/completions", json=chat_request(seed=7, **more))


def test_a_loss_that_all_have_is_told_where_losses_are_only_avoided() -> None:
    async def main() -> None:
        async with upstream(answers(claude_answer())) as wire:
            answer = await lossy(MILD, ("claude", wire))
            assert (answer.status_code, answer.headers["x-ai-proxy-losses"]) == (200, "1; seed")

    asyncio.run(main())


@pytest.mark.parametrize("mode", [CHOOSY, STRICT], ids=["by-capability", "reject"])
def test_a_loss_that_all_have_is_refused_with_every_field_and_what_helps(
    mode: dict[str, Any],
) -> None:
    async def main() -> None:
        async with upstream(answers(claude_answer())) as wire:
            answer = await lossy(
                mode, ("claude", wire), ("cohere", wire), logit_bias={"50256": -100}
            )
            error = answer.json()["error"]
            assert (answer.status_code, error["param"]) == (400, "seed")
            assert error["message"].split("; ", 3) == [
                "seed: Claude has no seed",
                "logit_bias: Claude has no logit bias (lost at claude)",
                "logit_bias: this format has no logit bias (lost at cohere)",
                HELP,
            ]
            assert wire.heard == []

    asyncio.run(main())


def test_of_many_losses_some_are_told_and_the_rest_is_counted() -> None:
    async def main() -> str:
        async with upstream(answers(claude_answer())) as wire:
            more = {f"x_{number}": 1 for number in range(40)}
            answer = await lossy(CHOOSY, ("claude", wire), **more)
            return str(answer.json()["error"]["message"])

    message = asyncio.run(main())
    assert "; and 31 more (lost at claude); nothing may be lost here" in message


def test_a_model_that_stands_in_takes_what_the_first_would_lose() -> None:
    async def main() -> tuple[int, int, int]:
        async with upstream(answers(claude_answer())) as one, upstream(answers(CHAT)) as two:
            rows = [
                credential("claude", one.url, models=[{"id": "m"}]),
                credential("openai", two.url, models=[{"id": "other"}]),
            ]
            settings = {"credentials": rows, "routing": {"by-capability": True, **STANDS_IN}}
            async with serving(settings) as gw:
                answer = await gw.http.post("/v1/chat/completions", json=chat_request(seed=7))
            return answer.status_code, len(one.heard), len(two.heard)

    CHAT = chat_answer()
    STANDS_IN = {"fallbacks": {"m": ["other"]}}
    assert asyncio.run(main()) == (200, 0, 1)


def test_one_that_rests_but_has_it_is_waited_for_and_not_refused() -> None:
    tired = answers({"type": "error", "error": {"type": "rate_limit_error", "message": "no"}}, 429)

    async def main() -> None:
        async with upstream(tired) as rich, upstream(answers(claude_answer())) as poor:
            settings = {**lacking("images"), **CHOOSY}
            rows = [credential("poor", poor.url), credential("claude", rich.url)]
            async with serving({**settings, "credentials": rows}) as gw:
                body = claude_request(**ASKING["images"])
                statuses = [
                    (await gw.http.post("/v1/messages", json=body)).status_code for _ in range(2)
                ]
                assert statuses == [429, 429]
                assert (len(rich.heard), len(poor.heard)) == (1, 0)

    asyncio.run(main())


def test_the_dry_run_tells_who_would_be_passed_by() -> None:
    async def main() -> Any:
        rows = [
            credential("poor", "http://127.0.0.1:9"),
            credential("openai", "http://127.0.0.1:9"),
        ]
        asked = {"path": "/v1/messages", "request": claude_request(**ASKING["images"])}
        async with serving({**lacking("images"), **CHOOSY, "credentials": rows}) as gw:
            return (await gw.http.post("/admin/translate", json=asked)).json()

    shown = asyncio.run(main())
    assert shown["candidates"][0]["refused"] == "messages[0].content[0]: m takes no images"
    assert shown["request"]["body"]["messages"]
