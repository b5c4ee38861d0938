"""The google-genai SDK at its own routes, in front of an upstream of each wire format."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import errors, types

from tests.gateway import wire
from tests.gateway.harness import serving
from tests.sdk.conftest import UPSTREAMS, Spare
from tests.support.cases import first_error, sdk, sdk_answer, sdk_reply
from tests.support.clients import KEY, Reply
from tests.support.gateway import Gateway
from tests.support.upstream import Upstream, document, stream

targets = pytest.mark.parametrize("target", UPSTREAMS)
streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])

WORDS = "The points at Mechelen are frozen."
BROKEN = "No engine is free at the moment."
# The status and body with which each upstream refuses a call for its rate.
LIMITED: dict[str, Any] = {
    "openai-chat": {"error": {"message": WORDS, "type": "rate_limit_error", "code": None}},
    "openai-responses": {"error": {"message": WORDS, "type": "rate_limit_error", "code": None}},
    "claude": {"type": "error", "error": {"type": "rate_limit_error", "message": WORDS}},
    "gemini": {"error": {"code": 429, "message": WORDS, "status": "RESOURCE_EXHAUSTED"}},
}


@contextmanager
def client(url: str, key: str = KEY, version: str = "v1beta") -> Iterator[genai.Client]:
    """The SDK at the gateway. Reading the machine's certificates costs more than a call."""
    plain: dict[str, Any] = {"verify": False}
    options = types.HttpOptions(
        base_url=url, api_version=version, client_args=plain, async_client_args=plain
    )
    made = genai.Client(api_key=key, vertexai=False, http_options=options)
    try:
        yield made
    finally:
        made.close()


def question(model: str) -> dict[str, Any]:
    """The first request, as a user of the SDK writes it."""
    return {"model": model, **sdk("gemini/request")}


def ask(url: str, body: dict[str, Any], stream: bool, version: str = "v1beta") -> list[Any]:
    """The SDK's own objects: one for a whole answer, one a chunk."""
    with client(url, version=version) as models:
        if stream:
            return list(models.models.generate_content_stream(**body))
        return [models.models.generate_content(**body)]


def parts(answer: list[Any]) -> list[Any]:
    """All parts of the answer, in their order."""
    contents = [chunk.candidates[0].content for chunk in answer if chunk.candidates]
    return [part for content in contents if content for part in content.parts or []]


def of_chunks(answer: list[Any]) -> Reply:
    """The answer as a user of the SDK understands it."""
    usage = [chunk.usage_metadata for chunk in answer if chunk.usage_metadata][-1]
    finish = [c.candidates[0].finish_reason for c in answer if c.candidates][-1]
    found = parts(answer)
    calls = [(part.function_call.name, part.function_call.args) for part in found if _call(part)]
    assert finish == types.FinishReason.STOP
    return Reply(
        "".join(part.text or "" for part in found if not part.thought),
        "".join(part.text or "" for part in found if part.thought),
        calls,
        "tool" if calls else "end",
        usage.prompt_token_count,
        (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
        usage.cached_content_token_count or 0,
    )


def _call(part: Any) -> bool:
    return part.function_call is not None


def second(body: dict[str, Any], first: list[Any]) -> dict[str, Any]:
    """The next request: the answer's own parts go back, with the results of its calls."""
    said = parts(first)
    results = [
        types.Part(
            function_response=types.FunctionResponse(
                id=part.function_call.id,
                name=part.function_call.name,
                response={"error" if result["failed"] else "output": result["text"]},
            )
        )
        for part, result in zip(filter(_call, said), sdk("expected")["results"], strict=True)
    ]
    history = [types.Content(role="model", parts=said), types.Content(role="user", parts=results)]
    return {**body, "contents": [*body["contents"], *history]}


def fails(url: str, body: dict[str, Any], stream: bool) -> errors.APIError:
    """What the SDK raises for the request."""
    with pytest.raises(errors.APIError) as caught:
        ask(url, body, stream)
    return caught.value


@targets
@streamed
@pytest.mark.parametrize("version", ["v1beta", "v1"])
def test_thinking_text_parallel_calls_and_usage_reach_the_sdk(
    version: str, target: str, streamed: bool, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(sdk_answer(target, "answer", streamed))
    answer = ask(gateway.url, question(f"rail-{target}"), streamed, version)
    assert of_chunks(answer) == sdk_reply("answer")


# The SDK itself derives from a class that warns of it.
@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
@targets
def test_the_async_client_gets_the_stream_too(
    target: str, gateway: Gateway, upstream: Upstream
) -> None:
    async def ask_async() -> list[Any]:
        with client(gateway.url) as models:
            try:
                asked = models.aio.models.generate_content_stream(**question(f"rail-{target}"))
                return [chunk async for chunk in await asked]
            finally:
                await models.aio.aclose()

    upstream.answers(sdk_answer(target, "answer", True))
    assert of_chunks(asyncio.run(ask_async())) == sdk_reply("answer")


@targets
@streamed
def test_the_second_turn_is_answered(
    target: str, streamed: bool, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(sdk_answer(target, "answer", streamed), sdk_answer(target, "final", streamed))
    body = question(f"rail-{target}")
    first = ask(gateway.url, body, streamed)
    answer = ask(gateway.url, second(body, first), streamed)
    assert of_chunks(answer) == sdk_reply("final")
    assert of_history(target, upstream.received[1].document) == [
        ("Ghent", "18:42, platform 3"),
        ("Bruges", "no driver"),
    ]


def of_history(format: str, body: dict[str, Any]) -> list[tuple[str, str]]:
    """Where each call of the request's history goes to, and the result that bears its id."""
    calls: dict[str, str] = {}
    found: list[tuple[str, str]] = []
    for kind, id, value in _history(format, body):
        if kind == "call":
            calls[id] = (json.loads(value) if isinstance(value, str) else value)["to"]
        else:
            text = json.dumps(value)
            known = [r["text"] for r in sdk("expected")["results"] if r["text"] in text]
            found.append((calls[id], *known))
    return found


def _history(format: str, body: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Calls (with their arguments) and results of a request, each with its id."""
    if format == "openai-chat":
        for message in body["messages"]:
            for call in message.get("tool_calls", []):
                yield "call", call["id"], call["function"]["arguments"]
            if message["role"] == "tool":
                yield "result", message["tool_call_id"], message["content"]
    elif format == "openai-responses":
        for item in body["input"]:
            if item.get("type") == "function_call":
                yield "call", item["call_id"], item["arguments"]
            elif item.get("type") == "function_call_output":
                yield "result", item["call_id"], item["output"]
    elif format == "claude":
        for message in body["messages"]:
            for block in message["content"]:
                if block["type"] == "tool_use":
                    yield "call", block["id"], block["input"]
                elif block["type"] == "tool_result":
                    yield "result", block["tool_use_id"], block["content"]
    else:
        for turn in body["contents"]:
            for part in turn["parts"]:
                if "functionCall" in part:
                    yield "call", part["functionCall"]["id"], part["functionCall"]["args"]
                elif "functionResponse" in part:
                    result = part["functionResponse"]
                    yield "result", result["id"], result["response"]


@targets
def test_tools_that_the_sdk_runs_by_itself_are_answered_by_name_and_order(
    target: str, gateway: Gateway, upstream: Upstream
) -> None:
    def find_train(to: str, after: str) -> str:
        """Next departure."""
        return {"Ghent": "18:42, platform 3", "Bruges": "no driver"}[to]

    upstream.answers(sdk_answer(target, "answer", False), sdk_answer(target, "final", False))
    with client(gateway.url) as models:
        config: Any = {"tools": [find_train]}
        answer = models.models.generate_content(
            model=f"rail-{target}", contents="When?", config=config
        )
    assert of_chunks([answer]) == sdk_reply("final")
    if target != "gemini":  # there its own results without ids go on as they are
        assert of_history(target, upstream.received[1].document) == [
            ("Ghent", "18:42, platform 3"),
            ("Bruges", "no driver"),
        ]


@pytest.mark.parametrize("target", [name for name in UPSTREAMS if name != "openai-chat"])
@streamed
def test_the_second_turn_brings_thinking_back_with_its_signature(
    target: str, streamed: bool, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(sdk_answer(target, "answer", streamed), sdk_answer(target, "final", streamed))
    body = question(f"rail-{target}")
    ask(gateway.url, second(body, ask(gateway.url, body, streamed)), streamed)
    asked = upstream.received[1].document
    signature = sdk("expected")["signature"]
    if target == "claude":
        turn = asked["messages"][1]["content"]
        assert [b["signature"] for b in turn if b["type"] == "thinking"] == [signature]
    elif target == "openai-responses":
        items = [item for item in asked["input"] if item.get("type") == "reasoning"]
        assert [item["encrypted_content"] for item in items] == [signature]
    else:
        signed = [p for p in asked["contents"][1]["parts"] if "thoughtSignature" in p]
        assert [part["functionCall"]["args"]["to"] for part in signed] == ["Ghent"]
        # The SDK writes it in the alphabet for URLs.
        sent = signed[0]["thoughtSignature"].replace("-", "+").replace("_", "/")
        assert sent == signature


@targets
@pytest.mark.parametrize("piece", [7, 100_000])
def test_without_alt_sse_the_stream_is_one_json_array(
    piece: int, target: str, gateway: Gateway, upstream: Upstream
) -> None:
    answer = sdk_answer(target, "answer", True)
    upstream.answers(type(answer)(answer.body, 200, answer.headers, piece))
    told = post(gateway, f"/v1beta/models/rail-{target}:streamGenerateContent")
    assert (told.status_code, told.headers["content-type"]) == (200, "application/json")
    chunks = [types.GenerateContentResponse.model_validate(chunk) for chunk in told.json()]
    assert len(chunks) > 3
    assert of_chunks(chunks) == sdk_reply("answer")


def post(gateway: Gateway, path: str) -> httpx.Response:
    """A call over plain HTTP."""
    body = {"contents": sdk("gemini/request")["contents"]}
    headers = {"x-goog-api-key": KEY}
    return httpx.post(gateway.url + path, json=body, headers=headers, verify=False)


@targets
def test_alt_sse_beside_other_parameters_is_an_event_stream(
    target: str, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(sdk_answer(target, "final", True))
    path = f"/v1/models/rail-{target}:streamGenerateContent?%24prettyPrint=false&alt=sse"
    told = post(gateway, path)
    assert told.headers["content-type"].startswith("text/event-stream")
    assert told.text.startswith("data: {")


@targets
def test_a_failure_in_mid_array_is_its_last_element(
    target: str, gateway: Gateway, upstream: Upstream, spare: Spare
) -> None:
    upstream.answers(sdk_answer(target, "broken", True))
    told = post(gateway, f"/v1beta/models/{spare(target)}:streamGenerateContent")
    *chunks, last = told.json()
    assert chunks and not any("error" in chunk for chunk in chunks)
    assert last["error"]["message"] == BROKEN


@targets
@streamed
def test_an_upstreams_refusal_is_the_sdks_client_error(
    target: str, streamed: bool, gateway: Gateway, upstream: Upstream, spare: Spare
) -> None:
    upstream.answers(document(LIMITED[target], 429, {"retry-after": "7"}))
    error = fails(gateway.url, question(spare(target)), streamed)
    assert isinstance(error, errors.ClientError)
    assert (error.code, error.status, error.message) == (429, "RESOURCE_EXHAUSTED", WORDS)


@targets
def test_a_failure_in_mid_stream_raises_after_what_came_before(
    target: str, gateway: Gateway, upstream: Upstream, spare: Spare
) -> None:
    upstream.answers(sdk_answer(target, "broken", True))
    came = []
    with client(gateway.url) as models, pytest.raises(errors.APIError) as caught:
        for chunk in models.models.generate_content_stream(**question(spare(target))):
            came.append(chunk)
    assert BROKEN in str(caught.value)
    text = "".join(part.text or "" for part in parts(came) if not part.thought)
    assert text == sdk("expected")["answer"]["text"]


@targets
def test_an_error_as_the_first_event_keeps_its_status(
    target: str, gateway: Gateway, upstream: Upstream, spare: Spare
) -> None:
    upstream.answers(stream(first_error(target)))
    error = fails(gateway.url, question(spare(target)), stream=True)
    assert (error.code, error.status, error.message) == (503, "UNAVAILABLE", BROKEN)


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
    assert (told.code, told.status) == (503, "UNAVAILABLE")
    assert f"upstream-key-{model}" not in str(told)


@streamed
@pytest.mark.parametrize("version", ["v1beta", "v1"])
def test_a_wrong_key_is_refused_and_not_repeated(
    version: str, streamed: bool, gateway: Gateway
) -> None:
    with client(gateway.url, "wrong-key", version) as models:
        with pytest.raises(errors.ClientError) as caught:
            if streamed:
                list(models.models.generate_content_stream(**question("rail-claude")))
            else:
                models.models.generate_content(**question("rail-claude"))
    # The vendor tells a wrong key with 400 or 401; the words must not hold the key.
    assert caught.value.code in (400, 401)
    assert "wrong-key" not in str(caught.value)


@streamed
def test_an_unknown_model_is_not_found_and_named(streamed: bool, gateway: Gateway) -> None:
    error = fails(gateway.url, question("no-such-model"), streamed)
    assert (error.code, error.status) == (404, "NOT_FOUND")
    assert "no-such-model" in (error.message or "")


def test_a_model_with_a_slash_in_its_name_is_taken_from_the_path(
    gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(sdk_answer("claude", "final", False))
    told = post(gateway, "/v1beta/models/claude/claude-sonnet-5-5:generateContent")
    assert told.status_code == 200
    assert upstream.received[0].document["model"] == "claude-sonnet-5-5"


def test_the_sdk_lists_models_by_the_names_it_must_send(gateway: Gateway) -> None:
    with client(gateway.url) as models:
        names = {model.name for model in models.models.list()}
    assert {f"models/rail-{target}" for target in UPSTREAMS} <= names


@pytest.mark.parametrize("target", ["claude", "gemini"])
def test_the_sdk_waits_through_signs_of_life(target: str) -> None:
    events = sdk_answer(target, "answer", True).body.replace(b"\r\n", b"\n").strip().split(b"\n\n")
    pieces = [event + b"\n\n" for event in events]

    async def main() -> list[Any]:
        async with wire.upstream(wire.streams(*pieces, pause=0.06)) as slow:
            provider = UPSTREAMS[target][0]
            row = {"provider": provider, "name": "a", "api-key": "k", "base-url": slow.url}
            settings = {"credentials": [row], "streaming": {"keepalive-seconds": 0.02}}
            async with serving(settings) as running:
                return await asyncio.to_thread(ask, running.url, question("m"), True)

    assert of_chunks(asyncio.run(main())) == sdk_reply("answer")


def test_counting_tokens_is_not_served_and_says_so(gateway: Gateway) -> None:
    with client(gateway.url) as models, pytest.raises(errors.ServerError) as caught:
        models.models.count_tokens(model="rail-claude", contents="hi")
    assert caught.value.code == 501
    assert "countTokens" in (caught.value.message or "")
