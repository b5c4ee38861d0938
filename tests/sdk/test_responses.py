"""The openai SDK's Responses API, in front of an upstream of each wire format."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import openai
import pytest

from tests.sdk.conftest import UPSTREAMS, Spare
from tests.support.cases import first_error, sdk, sdk_answer, sdk_reply
from tests.support.clients import KEY, Reply, openai_client
from tests.support.gateway import Gateway
from tests.support.upstream import Answer, Upstream, document, stream

targets = pytest.mark.parametrize("target", UPSTREAMS)
foreign = pytest.mark.parametrize("target", [u for u in UPSTREAMS if u != "openai-responses"])
streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])

WORDS = "The points at Mechelen are frozen."
BROKEN = "No engine is free at the moment."
# What the users of the SDK know -> status and word of it in each wire format.
REFUSALS: dict[type[openai.APIStatusError], dict[str, tuple[int, str]]] = {
    openai.BadRequestError: {
        "openai": (400, "invalid_request_error"),
        "claude": (400, "invalid_request_error"),
        "gemini": (400, "INVALID_ARGUMENT"),
    },
    openai.NotFoundError: {
        "openai": (404, "invalid_request_error"),
        "claude": (404, "not_found_error"),
        "gemini": (404, "NOT_FOUND"),
    },
    openai.RateLimitError: {
        "openai": (429, "rate_limit_error"),
        "claude": (429, "rate_limit_error"),
        "gemini": (429, "RESOURCE_EXHAUSTED"),
    },
    openai.InternalServerError: {
        "openai": (500, "server_error"),
        "claude": (500, "api_error"),
        "gemini": (500, "INTERNAL"),
    },
}


def refusal(kind: type[openai.APIStatusError], target: str) -> Answer:
    """What an upstream of the format says when it refuses a call so."""
    vendor = UPSTREAMS[target][0]
    status, word = REFUSALS[kind][vendor]
    headers = {"retry-after": "7"} if status == 429 else {}
    error: dict[str, Any] = {"type": word, "message": WORDS}
    if vendor == "openai":
        error |= {"param": None, "code": None}
    elif vendor == "gemini":
        error = {"code": status, "message": WORDS, "status": word}
    return document({"type": "error", "error": error}, status, headers)


def question(model: str) -> dict[str, Any]:
    """The first request, as a user of the SDK writes it."""
    return {"model": model, **sdk("openai-responses/request")}


def ask(url: str, body: dict[str, Any], stream: bool) -> Any:
    """The SDK's own object for the whole answer, streamed or not."""
    with openai_client(url) as client:
        if not stream:
            return client.responses.create(**body)
        with client.responses.stream(**body) as events:
            return events.get_final_response()


def of_response(response: Any) -> Reply:
    """The answer as a user of the SDK understands it."""
    assert (response.object, response.status) == ("response", "completed")
    calls = [item for item in response.output if item.type == "function_call"]
    thoughts = [item for item in response.output if item.type == "reasoning"]
    said = [(call.name, json.loads(call.arguments)) for call in calls]
    usage = response.usage
    return Reply(
        response.output_text,
        "".join(piece.text for item in thoughts for piece in _pieces(item)),
        said,
        "tool" if said else "end",
        usage.input_tokens,
        usage.output_tokens,
        usage.input_tokens_details.cached_tokens,
    )


def _pieces(reasoning: Any) -> list[Any]:
    """What a reasoning item shows: its summary, or the text itself where a server gives that."""
    return reasoning.summary or reasoning.content or []


def second(body: dict[str, Any], first: Any) -> dict[str, Any]:
    """The next request: the answer's own items go back, with the results of its calls."""
    calls = [item for item in first.output if item.type == "function_call"]
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": result["text"]}
        for call, result in zip(calls, sdk("expected")["results"], strict=True)
    ]
    said = [item.model_dump(exclude_none=True) for item in first.output]
    return {**body, "input": [*body["input"], *said, *results]}


def fails(url: str, body: dict[str, Any], stream: bool) -> Any:
    """What the SDK raises for the request."""
    with pytest.raises(openai.APIError) as caught:
        ask(url, body, stream)
    return caught.value


@targets
@streamed
def test_thinking_text_parallel_calls_and_usage_reach_the_sdk(
    target: str, streamed: bool, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(sdk_answer(target, "answer", streamed))
    answer = ask(gateway.url, question(f"rail-{target}"), streamed)
    assert of_response(answer) == sdk_reply("answer")


@targets
def test_the_async_client_gets_the_stream_too(
    target: str, gateway: Gateway, upstream: Upstream
) -> None:
    async def ask_async() -> Any:
        plain = openai.DefaultAsyncHttpxClient(verify=False)
        base = f"{gateway.url}/v1"
        async with openai.AsyncOpenAI(api_key=KEY, base_url=base, http_client=plain) as client:
            async with client.responses.stream(**question(f"rail-{target}")) as events:
                return await events.get_final_response()

    upstream.answers(sdk_answer(target, "answer", True))
    assert of_response(asyncio.run(ask_async())) == sdk_reply("answer")


@targets
def test_events_are_numbered_and_the_done_ones_hold_all_text(
    target: str, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(sdk_answer(target, "answer", True))
    with openai_client(gateway.url) as client:
        events = list(client.responses.create(**question(f"rail-{target}"), stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created"
    last = events[-1]
    assert last.type == "response.completed"
    assert of_response(last.response) == sdk_reply("answer")
    done = [event for event in events if event.type == "response.output_item.done"]
    assert [event.item for event in done] == last.response.output
    texts = [event.text for event in events if event.type == "response.output_text.done"]
    assert texts == [sdk("expected")["answer"]["text"]]


@targets
@streamed
def test_the_second_turn_is_answered(
    target: str, streamed: bool, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(sdk_answer(target, "answer", streamed), sdk_answer(target, "final", streamed))
    body = question(f"rail-{target}")
    answer = ask(gateway.url, second(body, ask(gateway.url, body, streamed)), streamed)
    assert of_response(answer) == sdk_reply("final")
    assert list(history(target, upstream.received[1].document)) == [
        ("Ghent", "18:42, platform 3"),
        ("Bruges", "no driver"),
    ]


def history(format: str, body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Where each call of the upstream request goes to, and the result that bears its id."""
    asked: dict[str, str] = {}
    if format == "openai-chat":
        for message in body["messages"]:
            for call in message.get("tool_calls", []):
                asked[call["id"]] = json.loads(call["function"]["arguments"])["to"]
            if message["role"] == "tool":
                yield asked[message["tool_call_id"]], message["content"]
    elif format == "openai-responses":
        for item in body["input"]:
            if item.get("type") == "function_call":
                asked[item["call_id"]] = json.loads(item["arguments"])["to"]
            elif item.get("type") == "function_call_output":
                yield asked[item["call_id"]], item["output"]
    elif format == "claude":
        for block in (block for message in body["messages"] for block in message["content"]):
            if block["type"] == "tool_use":
                asked[block["id"]] = block["input"]["to"]
            elif block["type"] == "tool_result":
                yield asked[block["tool_use_id"]], _text(block["content"])
    else:
        for part in (part for turn in body["contents"] for part in turn["parts"]):
            if call := part.get("functionCall"):
                asked[call["id"]] = call["args"]["to"]
            elif result := part.get("functionResponse"):
                (text,) = result["response"].values()
                yield asked[result["id"]], text


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(block["text"] for block in content)


@pytest.mark.parametrize("target", [name for name in UPSTREAMS if name != "openai-chat"])
@streamed
def test_the_second_turn_brings_thinking_back_with_its_signature(
    target: str, streamed: bool, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(sdk_answer(target, "answer", streamed), sdk_answer(target, "final", streamed))
    body = question(f"rail-{target}")
    ask(gateway.url, second(body, ask(gateway.url, body, streamed)), streamed)
    asked = upstream.received[1].document
    if target == "claude":
        found = [b["signature"] for b in asked["messages"][1]["content"] if "signature" in b]
    elif target == "openai-responses":
        found = [i["encrypted_content"] for i in asked["input"] if i.get("type") == "reasoning"]
    else:
        signed = [p for p in asked["contents"][1]["parts"] if "thoughtSignature" in p]
        assert [part["functionCall"]["args"]["to"] for part in signed] == ["Ghent"]
        found = [part["thoughtSignature"] for part in signed]
    assert found == [sdk("expected")["signature"]]


@targets
@streamed
@pytest.mark.parametrize("kind", REFUSALS, ids=lambda kind: kind.__name__)
def test_an_upstreams_refusal_is_the_sdks_own_exception(
    kind: type[openai.APIStatusError],
    streamed: bool,
    target: str,
    gateway: Gateway,
    upstream: Upstream,
    spare: Spare,
) -> None:
    told = refusal(kind, target)
    upstream.answers(told)
    error = fails(gateway.url, question(spare(target)), streamed)
    assert (type(error), error.status_code) == (kind, told.status)
    assert WORDS in error.message
    assert error.response.headers.get("retry-after") == told.headers.get("retry-after")


@targets
def test_a_failure_in_mid_stream_raises_after_what_came_before(
    target: str, gateway: Gateway, upstream: Upstream, spare: Spare
) -> None:
    upstream.answers(sdk_answer(target, "broken", True))
    text = ""
    with openai_client(gateway.url) as client, pytest.raises(openai.APIError) as caught:
        for event in client.responses.create(**question(spare(target)), stream=True):
            text += event.delta if event.type == "response.output_text.delta" else ""
    assert BROKEN in caught.value.message
    assert text == sdk("expected")["answer"]["text"]


@targets
def test_a_failure_in_mid_stream_raises_in_the_stream_helper(
    target: str, gateway: Gateway, upstream: Upstream, spare: Spare
) -> None:
    upstream.answers(sdk_answer(target, "broken", True))
    assert BROKEN in fails(gateway.url, question(spare(target)), stream=True).message


@targets
def test_a_connection_lost_in_mid_stream_raises(
    target: str, gateway: Gateway, upstream: Upstream, spare: Spare
) -> None:
    whole = sdk_answer(target, "answer", True).body
    upstream.answers(stream(whole[: len(whole) // 2], cut=True))
    fails(gateway.url, question(spare(target)), stream=True)


@targets
def test_an_error_as_the_first_event_keeps_its_status(
    target: str, gateway: Gateway, upstream: Upstream, spare: Spare
) -> None:
    upstream.answers(stream(first_error(target)))
    error = fails(gateway.url, question(spare(target)), stream=True)
    assert (type(error), error.status_code) == (openai.InternalServerError, 503)
    assert BROKEN in error.message


@targets
@streamed
def test_a_refused_upstream_key_is_never_told_as_the_clients(
    target: str, streamed: bool, gateway: Gateway, upstream: Upstream, spare: Spare
) -> None:
    error: dict[str, Any] = {"type": "authentication_error", "code": "invalid_api_key"}
    if target == "gemini":
        error = {"code": 401, "status": "UNAUTHENTICATED"}
    upstream.answers(document({"type": "error", "error": {**error, "message": "no key"}}, 401))
    model = spare(target)
    told = fails(gateway.url, question(model), streamed)
    assert told.status_code == 503
    assert f"upstream-key-{model}" not in str(told)


@targets
@streamed
def test_an_answer_at_the_limit_is_incomplete(
    target: str, streamed: bool, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(cut_short(target, streamed))
    # Read plainly: the SDK's stream helper knows no end but a complete one, from OpenAI neither.
    with openai_client(gateway.url) as client:
        answer: Any = client.responses.create(**question(f"rail-{target}"), stream=streamed)
        answer = list(answer)[-1].response if streamed else answer
    assert answer.status == "incomplete"
    assert answer.incomplete_details.reason == "max_output_tokens"
    assert answer.output_text == sdk("expected")["final"]["text"]


def cut_short(target: str, streamed: bool) -> Answer:
    """The last answer of the case, as if it had reached the limit of its length."""
    told = sdk_answer(target, "final", streamed)
    edits = {
        "openai-chat": [(b'"finish_reason": "stop"', b'"finish_reason": "length"')],
        "claude": [(b'"stop_reason": "end_turn"', b'"stop_reason": "max_tokens"')],
        "gemini": [(b'"finishReason": "STOP"', b'"finishReason": "MAX_TOKENS"')],
        "openai-responses": [
            (b"response.completed", b"response.incomplete"),
            (b'"completed", "background"', b'"incomplete", "background"'),
            (
                b'"incomplete_details": null',
                b'"incomplete_details": {"reason": "max_output_tokens"}',
            ),
        ],
    }
    body = told.body
    for old, new in edits[target]:
        body = body.replace(old, new)
    return replace(told, body=body)


@streamed
def test_a_wrong_key_is_the_sdks_authentication_error(streamed: bool, gateway: Gateway) -> None:
    with openai_client(gateway.url, "wrong-key") as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            client.responses.create(**question("rail-claude"), stream=streamed)
    assert caught.value.code == "invalid_api_key"
    assert "wrong-key" not in str(caught.value)


@streamed
def test_an_unknown_model_is_not_found_and_named(streamed: bool, gateway: Gateway) -> None:
    error = fails(gateway.url, question("no-such-model"), streamed)
    assert isinstance(error, openai.NotFoundError)
    assert "no-such-model" in error.message


@foreign
@streamed
def test_history_kept_elsewhere_is_a_bad_request_that_names_the_field(
    target: str, streamed: bool, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(sdk_answer(target, "final", streamed))
    body = {**question(f"rail-{target}"), "previous_response_id": "resp_rail6"}
    error = fails(gateway.url, body, streamed)
    assert isinstance(error, openai.BadRequestError)
    assert error.param == "previous_response_id"
    assert "previous_response_id" in error.message
    assert "history" in error.message
    assert upstream.received == []


@streamed
def test_an_upstream_that_keeps_the_history_is_asked_for_it(
    streamed: bool, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(sdk_answer("openai-responses", "final", streamed))
    body = {**question("rail-openai-responses"), "previous_response_id": "resp_rail6"}
    assert of_response(ask(gateway.url, body, streamed)) == sdk_reply("final")
    (sent,) = upstream.received
    assert (sent.path, sent.document["previous_response_id"]) == ("/v1/responses", "resp_rail6")


@pytest.mark.parametrize("call", ["retrieve", "delete", "cancel"])
def test_calls_for_kept_answers_are_not_served_and_say_so(call: str, gateway: Gateway) -> None:
    with openai_client(gateway.url) as client, pytest.raises(openai.InternalServerError) as caught:
        getattr(client.responses, call)("resp_rail7")
    assert caught.value.status_code == 501
    assert "/v1/responses" in caught.value.message
