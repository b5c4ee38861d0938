"""A conversation with thinking, an image and parallel tools, through every SDK and upstream."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.cases import sdk, sdk_answer, sdk_reply
from tests.support.clients import CLIENTS, OPENAI, Client, of_chunks, openai_client
from tests.support.gateway import Gateway
from tests.support.upstream import Upstream
from tests.support.valid import valid_request

clients = pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
targets = pytest.mark.parametrize("target", ["openai-chat", "claude"])
streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


def question(client: Client, target: str) -> dict[str, Any]:
    """The first request, as a user of the SDK writes it."""
    return {"model": f"rail-{target}", **sdk(f"{client.format}/request")}


def second(client: Client, target: str, first: Any) -> dict[str, Any]:
    """The next request: the answer's own object goes back, with the results of its calls."""
    body = question(client, target)
    history = client.history(first, sdk("expected")["results"])
    return {**body, "messages": [*body["messages"], *history]}


@clients
@targets
@streamed
def test_thinking_text_parallel_calls_and_usage_reach_the_sdk(
    client: Client, target: str, streamed: bool, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(sdk_answer(target, "answer", streamed))
    answer = client.ask(gateway.url, question(client, target), streamed)
    assert client.reply(answer) == sdk_reply("answer")


@clients
@targets
@streamed
def test_the_upstream_is_asked_in_its_own_format(
    client: Client, target: str, streamed: bool, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(sdk_answer(target, "answer", streamed))
    client.ask(gateway.url, question(client, target), streamed)
    (sent,) = upstream.received
    valid_request(target, sent.document)
    assert asked(target, sent.document) == {
        "system": "You know the timetable.",
        "text": "When do the next trains to Ghent and Bruges leave from this station?",
        "image": sdk("expected")["image"],
        "tools": ["find_train"],
        "effort": "medium",
        "limit": 3000,
        "stream": streamed,
    }


def asked(format: str, body: dict[str, Any]) -> dict[str, Any]:
    """What a request of the case asks for, whichever format says it."""
    if format == "openai-chat":
        first, turn = body["messages"]
        text, image = turn["content"]
        found = {
            "system": first["content"],
            "image": image["image_url"]["url"].removeprefix("data:image/png;base64,"),
            "tools": [tool["function"]["name"] for tool in body["tools"]],
            "effort": body["reasoning_effort"],
            "limit": body["max_completion_tokens"],
        }
    else:
        (turn,) = body["messages"]
        text, image = turn["content"]
        system = body["system"]
        found = {
            "system": system if isinstance(system, str) else "".join(b["text"] for b in system),
            "image": image["source"]["data"],
            "tools": [tool["name"] for tool in body["tools"]],
            "effort": body["output_config"]["effort"],
            "limit": body["max_tokens"],
        }
    return {**found, "text": text["text"], "stream": body.get("stream", False)}


@pytest.mark.parametrize("name", ["anthropic", "anthropic-async"])
def test_interleaved_calls_reach_a_client_that_takes_one_part_at_a_time(
    name: str, gateway: Gateway, upstream: Upstream
) -> None:
    client = CLIENTS[name]
    upstream.answers(sdk_answer("openai-chat", "interleaved", True))
    answer = client.ask(gateway.url, question(client, "openai-chat"), stream=True)
    assert client.reply(answer) == sdk_reply("answer")


@clients
def test_a_second_answer_in_the_stream_does_not_mix_with_the_first(
    client: Client, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(sdk_answer("openai-chat", "two-choices", True))
    answer = client.ask(gateway.url, question(client, "openai-chat"), stream=True)
    assert client.reply(answer) == sdk_reply("answer")


def test_interleaved_calls_reach_a_client_of_the_same_format_as_they_came(
    gateway: Gateway, upstream: Upstream
) -> None:
    # Read plainly: the SDK's stream helper cannot take interleaved calls, from OpenAI neither.
    upstream.answers(sdk_answer("openai-chat", "interleaved", True))
    body = question(OPENAI, "openai-chat")
    options: Any = {"stream": True, "stream_options": {"include_usage": True}}
    with openai_client(gateway.url) as client:
        chunks = client.chat.completions.create(**body, **options)
        assert of_chunks(chunks) == sdk_reply("answer")


@clients
@targets
@pytest.mark.parametrize("piece", [1, 100_000])
def test_where_the_stream_is_cut_makes_no_difference(
    piece: int, client: Client, target: str, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(replace(sdk_answer(target, "answer", True), piece=piece))
    answer = client.ask(gateway.url, question(client, target), stream=True)
    assert client.reply(answer) == sdk_reply("answer")


@clients
@targets
def test_the_sdk_finds_a_request_id_that_the_upstream_and_the_log_got_too(
    client: Client, target: str, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(sdk_answer(target, "answer", False))
    answer = client.ask(gateway.url, question(client, target), stream=False)
    (sent,) = upstream.received
    assert answer._request_id == sent.headers["x-request-id"]
    assert gateway.logged(answer._request_id)


@clients
@targets
@streamed
def test_the_second_turn_is_answered(
    client: Client, target: str, streamed: bool, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(sdk_answer(target, "answer", streamed), sdk_answer(target, "final", streamed))
    first = client.ask(gateway.url, question(client, target), streamed)
    answer = client.ask(gateway.url, second(client, target, first), streamed)
    assert client.reply(answer) == sdk_reply("final")
    valid_request(target, upstream.received[1].document)


@clients
@streamed
def test_the_second_turn_brings_claude_its_signed_thinking_back(
    client: Client, streamed: bool, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(
        sdk_answer("claude", "answer", streamed), sdk_answer("claude", "final", streamed)
    )
    first = client.ask(gateway.url, question(client, "claude"), streamed)
    client.ask(gateway.url, second(client, "claude", first), streamed)
    _, assistant, results = upstream.received[1].document["messages"]
    assert assistant == {"role": "assistant", "content": sdk("claude/answer")["content"]}
    assert [(block["type"], block["tool_use_id"]) for block in results["content"]] == [
        ("tool_result", "toolu_rail0"),
        ("tool_result", "toolu_rail1"),
    ]
    assert "18:42, platform 3" in str(results["content"][0]["content"])
    # Chat has no flag for a failure: only a client of the same format can say it.
    failed = [block.get("is_error", False) for block in results["content"]]
    assert failed == [False, client.format == "claude"]


@clients
@streamed
def test_the_second_turn_brings_chat_its_calls_and_results_back(
    client: Client, streamed: bool, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(
        sdk_answer("openai-chat", "answer", streamed),
        sdk_answer("openai-chat", "final", streamed),
    )
    first = client.ask(gateway.url, question(client, "openai-chat"), streamed)
    client.ask(gateway.url, second(client, "openai-chat", first), streamed)
    *_, assistant, ghent, bruges = upstream.received[1].document["messages"]
    message = sdk("openai-chat/answer")["choices"][0]["message"]
    assert assistant["content"] == message["content"]
    assert [(call["id"], call["function"]["name"]) for call in assistant["tool_calls"]] == [
        ("call_rail0", "find_train"),
        ("call_rail1", "find_train"),
    ]
    assert (ghent["role"], ghent["tool_call_id"], ghent["content"]) == (
        "tool",
        "call_rail0",
        "18:42, platform 3",
    )
    failed = "Error: no driver" if client.format == "claude" else "no driver"
    assert (bruges["role"], bruges["tool_call_id"], bruges["content"]) == (
        "tool",
        "call_rail1",
        failed,
    )
